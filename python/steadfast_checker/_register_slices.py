"""Slices of transactions over registers, which are made wider until they decide.

A slice of registers is checked twice: with what is presumed of the transactions before and after it, to see that it holds, and alone, to see
that it is violated. If neither decides, the presumption may be wrong, and a wider slice presumes less. ``checker::slices::registers`` in
the Rust crate says why.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from . import _native
from ._slices import TOO_LARGE_A_KNOT, _Cut, _Job, _SLICE_PLACES

#: Spans with fewer places between them are one slice. To check a slice costs as much as to check some transactions.
_GAP_PLACES = 16
#: Places that a wider slice has more on each side, and how many times as many as before.
_MORE_PLACES, _MORE_TIMES = 64, 4

Range = tuple


def decide_registers(cut: _Cut, levels: list[str]) -> None:
    """Check levels of transactions over registers, slice by slice, and add the verdicts to the report."""
    rows_max = cut.check.limits.rows
    small = [span for span in cut.facts.spans if span[1] - span[0] <= rows_max]
    open_slices: dict[Range, set[str]] = {}
    if small:
        open_slices.update(_decide(cut, _job(levels, _without_gaps(small, min(rows_max, _SLICE_PLACES)))))
    places: dict[int, int] = {}
    for job in cut.knot_jobs(levels, places):
        for found, asked in _decide(cut, job, places).items():
            open_slices.setdefault(found, set()).update(asked)
    if open_slices:
        _widen(cut, open_slices)


def _widen(cut: _Cut, open_slices: dict[Range, set[str]]) -> None:
    """Check wider and wider slices, as long as a worker or the driver takes them."""
    from pyspark.sql import functions as sql

    limits = cut.check.limits
    (ends,) = cut.check.clients.agg(sql.min("index").alias("first"), sql.max("index").alias("last")).collect()
    first, last = ends["first"], ends["last"]
    while open_slices:
        # What is violated somewhere is decided.
        open_slices = {
            found: {level for level in asked if not cut.report.levels[level].violated}
            for found, asked in open_slices.items()
        }
        wider = {}
        for found, asked in open_slices.items():
            if not asked:
                continue
            more = _MORE_TIMES * (found[1] - found[0] + 1) + _MORE_PLACES
            wider[(max(first, found[0] - more), min(last, found[1] + more))] = asked
        merged = _native.merge_places(cut.facts.spans + list(wider))
        jobs: dict[bool, list[Range]] = {False: [], True: []}
        for low, high in merged:
            asked = set().union(*(asked for at, asked in wider.items() if low <= at[0] and at[1] <= high))
            if not asked:
                continue
            on_driver = high - low > limits.rows
            if high - low > max(limits.rows, limits.driver_rows):
                _give_up(cut, asked, (low, high))
            else:
                jobs[on_driver].append((low, high, asked))
        open_slices = {}
        for on_driver, ranges in jobs.items():
            if ranges:
                asked = sorted(set().union(*(asked for _, _, asked in ranges)))
                job = _job(asked, [(low, high) for low, high, _ in ranges])
                left = _decide(cut, job, on_driver=on_driver)
                open_slices.update(left)
        for found in [found for found in open_slices if found[0] <= first and found[1] >= last]:
            _give_up(cut, open_slices.pop(found), found)


def _give_up(cut: _Cut, levels: Iterable[str], where: Range) -> None:
    limits = cut.check.limits
    reason = (
        f"the slice from event {where[0]} to event {where[1]} does not decide it: it depends on an order of writes that no read shows, "
        f"and a worker takes {limits.rows} events (rows_max), the driver {limits.driver_rows} (driver_rows_max)"
    )
    for level in levels:
        cut.report.levels[level].add("unknown", reason)


def _decide(
    cut: _Cut, job: _Job, places: Mapping[int, int] | None = None, on_driver: bool = False
) -> dict[Range, set[str]]:
    """Check the slices of a job. Return the levels that slices leave open, by the lowest and the highest place of the slice."""
    bounds: dict[int, Range] = {}
    for low, high, number in job.ranges:
        ends = (low, high) if job.by_place else ((places or {})[low],) * 2
        known = bounds.get(number, ends)
        bounds[number] = (min(known[0], ends[0]), max(known[1], ends[1]))
    left: dict[Range, set[str]] = {}
    for row in cut.verdicts(job, on_driver):
        cut.report.slices += 1
        told = json.loads(row["report"]) if row["report"] else {"presumed": {}, "alone": {}}
        presumed, alone = (
            {entry["level"]: entry for entry in told[which].get("levels", [])} for which in ("presumed", "alone")
        )
        for level in job.levels:
            if _add(cut, level, presumed.get(level, {}), alone.get(level, {}), row, row["slice"] in job.partial):
                left.setdefault(bounds[row["slice"]], set()).add(level)
    return left


def _add(
    cut: _Cut, level: str, presumed: Mapping[str, Any], alone: Mapping[str, Any], row: Any, is_partial: bool
) -> bool:
    """Add the verdict of a slice on a level. Return whether the slice leaves it open."""
    tally = cut.report.levels[level]
    if alone.get("verdict") == "violated":
        tally.add("violated", None)
        for entry in alone.get("anomalies", []):
            cut.report.keep(level, entry)
    elif is_partial:
        tally.add("unknown", TOO_LARGE_A_KNOT)
    elif row["verdict"] == "holds" or presumed.get("verdict") == "holds":
        tally.add("holds", None)
    elif presumed.get("verdict") == "unknown":
        tally.add("unknown", presumed.get("reason"))
    else:
        return True
    return False


def _job(levels: list[str], spans: list[Range]) -> _Job:
    return _Job(levels, [(low, high, number) for number, (low, high) in enumerate(spans)], by_place=True)


def _without_gaps(spans: list[Range], places: int) -> list[Range]:
    """Spans, where those with few places between them are one. What lies between them belongs to the slice."""
    joined: list[Range] = []
    for low, high in spans:
        if joined and low - joined[-1][1] <= _GAP_PLACES and high - joined[-1][0] < places:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined
