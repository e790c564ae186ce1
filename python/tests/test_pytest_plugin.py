"""A test that uses the fixture fails exactly if its history does not hold."""

import json
import re

from conftest import ROOT

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


def test_the_example_of_the_documentation_passes(pytester):
    # It only wrote, so that it failed as untested.
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "steadfast_history" in block)
    store = "\n\nclass client:\n    values = {}\n    put, get = values.__setitem__, values.get\n"
    pytester.makepyfile(example + store)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_a_marker_without_the_fixture_fails(pytester):
    # It was green, and nothing was recorded or checked.
    body = (
        "@pytest.mark.steadfast(consistency='linearizable')\n"
        "def test_it(): pass\n"
        "@pytest.mark.steadfast\n"
        "def test_asks_later(request): drive(request.getfixturevalue('steadfast_history'), lag=1)\n"
        "@pytest.mark.steadfast\n"
        "class TestAll:\n"
        "    def test_without(self): pass\n"
        "    def test_with(self, steadfast_history): drive(steadfast_history, lag=0)\n"
    )
    result = run(pytester, body)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*does not use the fixture steadfast_history*", "*stale-read*"])


def test_a_fixture_may_ask_for_the_recorder(pytester):
    body = (
        "@pytest.fixture\n"
        "def history(steadfast_history): return steadfast_history\n"
        "@pytest.mark.steadfast\n"
        "def test_it(history): drive(history, lag=1)\n"
    )
    run(pytester, body).assert_outcomes(failed=1)


def test_an_objective_that_is_missed_or_unknown_is_named(pytester):
    # "Failed: missed: None"
    body = (
        "@pytest.mark.steadfast(objective='latency.p99=0s')\n"
        "def test_missed(steadfast_history): drive(steadfast_history, lag=0)\n"
        "@pytest.mark.steadfast(objective='lost-writes=0')\n"
        "def test_unknown(steadfast_history): drive(steadfast_history, lag=0)\n"
    )
    result = run(pytester, body)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "missed: latency.p99: *ms more than 0 s",
            "unknown: lost-writes: cannot be measured: the history has no final reads*",
        ]
    )
    result.stdout.no_fnmatch_line("*: None")


def test_an_unknown_verdict_in_accept_is_an_error(pytester):
    body = "@pytest.mark.steadfast(accept=('untestd',))\ndef test_it(steadfast_history): drive(steadfast_history, lag=0)\n"
    result = run(pytester, body)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*accept has 'untestd', which is no verdict*untested*"])
