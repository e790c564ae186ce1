"""A test that uses the fixture fails exactly if its history does not hold."""

import json

STORE = """
import pytest

class Store:
    def __init__(self, lag):
        self.values, self.lag = [None], lag
    def put(self, value):
        self.values.append(value)
    def get(self):
        return self.values[max(0, len(self.values) - 1 - self.lag)]

def drive(history, lag):
    store = Store(lag)
    for value in (1, 2):
        with history.operation("write", key="x", value=value) as op:
            store.put(value)
            op.ok()
    with history.operation("read", key="x") as op:
        op.ok(store.get())
"""


def run(pytester, body, *options):
    pytester.makepyfile(STORE + body)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


def test_a_violation_fails_the_test_and_names_the_page(pytester):
    result = run(pytester, "def test_it(steadfast_history): drive(steadfast_history, lag=1)\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stale-read*not linearizable*returned the value of write 1*", "*report.html*"])


def test_a_history_that_holds_passes(pytester):
    result = run(pytester, "def test_it(steadfast_history): drive(steadfast_history, lag=0)\n")
    result.assert_outcomes(passed=1)


def test_a_history_that_tested_nothing_fails_unless_it_is_accepted(pytester):
    # A green that tested nothing is worse than none.
    body = (
        "def test_it(steadfast_history): pass\n"
        "@pytest.mark.steadfast(accept=('untested',))\n"
        "def test_other(steadfast_history): pass\n"
    )
    result = run(pytester, body)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*untested: *the history has no operations*"])


def test_the_marker_has_the_options(pytester):
    body = (
        "@pytest.mark.steadfast(consistency='monotonic-reads')\n"
        "def test_it(steadfast_history): drive(steadfast_history, lag=1)\n"
    )
    run(pytester, body).assert_outcomes(passed=1)


def test_a_test_that_fails_by_itself_is_told_as_it_failed(pytester):
    body = "def test_it(steadfast_history):\n    drive(steadfast_history, lag=1)\n    assert 1 == 2\n"
    result = run(pytester, body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*"])


def test_pages_are_kept_and_junit_has_the_verdicts(pytester):
    body = "def test_it(steadfast_history): drive(steadfast_history, lag=1)\n"
    result = run(pytester, body, "--steadfast-reports=reports", "--junitxml=junit.xml")
    result.assert_outcomes(failed=1)
    (folder,) = (pytester.path / "reports").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["history.jsonl", "report.html"]
    header = json.loads((folder / "history.jsonl").read_text().splitlines()[0])
    assert header["test"].endswith("::test_it")
    junit = (pytester.path / "junit.xml").read_text()
    assert 'name="steadfast.verdict" value="violated"' in junit
    assert 'name="steadfast.linearizable" value="violated"' in junit
    # The same folder again: what a run left is replaced by the next.
    run(pytester, body, "--steadfast-reports=reports").assert_outcomes(failed=1)
