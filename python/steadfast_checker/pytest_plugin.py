"""The pytest plugin: a fixture that records what a test does to a store, and fails the test if no execution that the store
promises explains what was seen.

::

    @pytest.mark.steadfast(consistency=["linearizable"])
    def test_cart(steadfast_history):
        with steadfast_history.operation("write", key="cart", value=5) as op:
            client.put("cart", 5)
            op.ok()
        with steadfast_history.operation("read", key="cart") as op:
            op.ok(client.get("cart"))

Registered as ``steadfast``; it comes with the package.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ._check import check
from ._recorder import Recorder
from ._report import Report

#: The recorder of a test, also if another fixture asked for it.
_RECORDER = pytest.StashKey[Recorder]()

_VERDICTS = ("holds", "violated", "missed", "untested", "unknown")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the folder of pages."""
    group = parser.getgroup("steadfast")
    group.addoption(
        "--steadfast-reports",
        metavar="FOLDER",
        default=None,
        help="Keep the history and the page of every test that uses steadfast_history in this folder.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker."""
    config.addinivalue_line(
        "markers",
        "steadfast(accept=(), **options): how the history of steadfast_history is checked: the options of "
        "steadfast_checker.check, and the verdicts beside 'holds' with which the test passes ('unknown', 'untested').",
    )


@pytest.fixture
def steadfast_history(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Recorder, None, None]:
    """Record a history, check it when the test has ended, and fail the test unless it holds.

    The marker ``steadfast`` takes the options of :func:`steadfast_checker.check`. With ``accept=("unknown",)`` a test passes
    also where the checker found no verdict.
    """
    _options(request.node)
    folder = request.config.getoption("--steadfast-reports")
    where = tmp_path
    if folder is not None:
        where = Path(folder) / re.sub(r"[^A-Za-z0-9_.-]+", "-", request.node.nodeid)
        where.mkdir(parents=True, exist_ok=True)
    recorder = Recorder(where / "history.jsonl", header={"test": request.node.nodeid}, overwrite=folder is not None)
    request.node.stash[_RECORDER] = recorder
    yield recorder
    recorder.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Check the history of a test that has passed so far."""
    result = yield
    recorder = item.stash.get(_RECORDER, None)
    if recorder is not None:
        _judge(item, recorder)
    elif any(mark.name == "steadfast" for mark in item.own_markers):
        # The marker of a module or a class is for those of its tests that record something.
        pytest.fail(
            "The test has the marker steadfast, but it does not use the fixture steadfast_history, so that nothing was recorded or "
            "checked. Add the argument steadfast_history to the test and record with it, or remove the marker.",
            pytrace=False,
        )
    return result


def _options(item: pytest.Item) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the options of the check, and the verdicts with which the test passes."""
    options: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers("steadfast"))):
        options.update(mark.kwargs)
    accepted = options.pop("accept", ())
    accepted = (accepted,) if isinstance(accepted, str) else tuple(accepted)
    for verdict in accepted:
        if verdict not in _VERDICTS:
            pytest.fail(f"accept has {verdict!r}, which is no verdict. The verdicts are {', '.join(_VERDICTS)}.", pytrace=False)
    return options, accepted


def _judge(item: pytest.Item, recorder: Recorder) -> None:
    recorder.close()
    options, accepted = _options(item)
    report = check(recorder.path, **options)
    page = recorder.path.with_name("report.html")
    report.to_html(page)
    item.user_properties.append(("steadfast.verdict", report.verdict))
    item.user_properties.append(("steadfast.page", str(page)))
    for answer in report.answers:
        item.user_properties.append((f"steadfast.{answer.level}", answer.verdict))
    item.add_report_section("call", "steadfast", f"{report}\n\nThe page: {page}")
    if report.verdict != "holds" and report.verdict not in accepted:
        pytest.fail(_told(report, page), pytrace=False)


def _told(report: Report, page: Path) -> str:
    if report.verdict == "violated":
        lines = [f"{one.type} (not {one.level}): {one.text}" for one in report.anomalies[:5]]
        more = len(report.anomalies) - len(lines)
        lines += [f"and {more} more"] if more > 0 else []
    else:
        lines = [f"{report.verdict}: {report.reason}"] if report.reason else []
        lines += [
            f"{answer.level} is {answer.verdict}: {answer.reason}"
            for answer in report.answers
            if answer.verdict == report.verdict and answer.reason not in (None, report.reason)
        ]
        lines += _told_objectives(report)
    return "\n".join([*lines, f"The page that explains it: {page}"])


def _told_objectives(report: Report) -> list[str]:
    """Say how far each objective was missed, or why that is unknown, as the program says it in JUnit."""
    names = {objective["name"] for objective in report.to_dict().get("objectives", [])}
    cases = ElementTree.fromstring(report.to_junit()).iter("testcase")
    results = [result for case in cases if case.get("name") in names for result in case]
    return [f"{report.verdict}: {one.get('message')}" for one in results if one.get("type") == report.verdict]
