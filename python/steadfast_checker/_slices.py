"""Transactions on many machines.

The history is cut into *slices*, which are checked one by one. ``checker::slices`` in the Rust crate says what may be cut, and why the
verdicts of all slices together are that of the whole. Here are the steps of it on a cluster:

1. by client: each transaction, and what it did to each key (``uses``);
2. by key: the order of its versions, and from it the places between which an edge leads back (``spans``). The driver merges them;
3. by key again: the transactions in merged spans, and the witnesses of their order (``members``);
4. by slice: the events of its members, checked. Slices of registers that this leaves open are made wider (``_register_slices.py``).

If spans are too large for a worker, the driver takes the edges in them and finds the *knots*: the sets of transactions that depend on
each other in a cycle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame

#: Events that make a part, on a worker.
_PART_ROWS = 250_000
#: Places that are checked as one slice, if spans permit.
_SLICE_PLACES = 100_000
_USES = "transaction long, completed long, outcome byte, session string, key string, steps string"
_FACTS = "kind string, one long, other long, only_if long, key string"
_MEMBERS = "slice long, transaction long, completed long"
_VERDICTS = "slice long, verdict string, operations long, report string"
#: Levels that say something about real time.
REAL_TIME = frozenset(
    ["strict-serializable", "strong-snapshot-isolation", "strong-read-committed", "strong-read-uncommitted"]
)


#: Why a knot is unknown.
TOO_LARGE_A_KNOT = "transactions that depend on each other are too many for a worker (rows_max)"


@dataclass
class LevelTally:
    """How many slices have each verdict at one level."""

    violated: int = 0
    unknown: int = 0
    holds: int = 0
    #: Why it is unknown in some slice.
    reason: str | None = None

    def add(self, verdict: str, reason: str | None) -> None:
        setattr(self, verdict, getattr(self, verdict) + 1)
        if verdict == "unknown":
            self.reason = min(filter(None, [self.reason, reason]), default=None)


@dataclass
class SliceReport:
    """What the slices of a history say."""

    levels: dict[str, LevelTally]
    #: Gets the level and the entry in JSON of each anomaly.
    keep: Callable[[str, Mapping[str, Any]], None]
    #: Whether an answer of some transaction could have been wrong.
    has_reads: bool = False
    #: Why levels are unknown although every slice holds.
    reasons: list[str] = field(default_factory=list)
    #: How many slices were checked.
    slices: int = 0


@dataclass(frozen=True)
class SliceLimits:
    """How much a worker takes, and how much the driver: both in events."""

    rows: int
    driver_rows: int


@dataclass(frozen=True)
class _Job:
    """Slices that are checked for some levels."""

    levels: list[str]
    #: The lowest and the highest place or transaction, and the number of the slice.
    ranges: list[tuple[int, int, int]]
    by_place: bool
    #: The slices that are only a part of a knot, which was too large.
    partial: frozenset[int] = frozenset()


@dataclass(frozen=True)
class SliceCheck:
    """A history of transactions that is checked in slices.

    Attributes
    ----------
    clients : pyspark.sql.DataFrame
        The events of clients, with all columns that are read.
    registers : bool
        Whether the keys are registers; lists otherwise.
    header : mapping, optional
    limits : SliceLimits
    options : callable
        Gives the words of the command line for some levels.
    rows_of : callable
        Evaluates a data frame.
    """

    clients: DataFrame
    registers: bool
    header: Mapping[str, Any] | None
    limits: SliceLimits
    options: Callable[[list[str]], list[str]]
    rows_of: Callable[[DataFrame], Iterator[Any]]


def check_slices(
    check: SliceCheck, levels: list[str], keep: Callable[[str, Mapping[str, Any]], None]
) -> SliceReport:
    """Check levels of transactions. ``keep`` gets each anomaly."""
    events = check.clients.count()
    uses = _by_client(check, events)
    facts = _Facts.of(check.rows_of(_by_key(uses, events, _facts_worker(check, []), _FACTS)))
    report = SliceReport({level: LevelTally() for level in levels}, keep, has_reads=facts.has_reads)
    for key, count in sorted(facts.large):
        report.reasons.append(
            f"the key {key} is used by {count} transactions; a worker takes {check.limits.rows} (rows_max)"
        )
    cut = _Cut(check, uses, events, facts, report)
    if check.registers:
        from ._register_slices import decide_registers

        decide_registers(cut, levels)
    else:
        for job in cut.jobs(levels):
            for row in cut.verdicts(job):
                told = json.loads(row["report"]) if row["report"] else {}
                _add_list_slice(report, job, row["slice"] in job.partial, row["verdict"], told)
    return report


def _add_list_slice(
    report: SliceReport, job: _Job, is_part_of_knot: bool, verdict: str, told: Mapping[str, Any]
) -> None:
    answers = {entry["level"]: entry for entry in told.get("levels", [])}
    report.slices += 1
    for level in job.levels:
        own = answers.get(level, {"verdict": verdict, "anomalies": []})
        found, reason = own["verdict"], own.get("reason") or told.get("reason")
        if found != "violated" and is_part_of_knot:
            found, reason = "unknown", TOO_LARGE_A_KNOT
        report.levels[level].add(found, reason)
        for entry in own.get("anomalies", []):
            report.keep(level, entry)


def _by_client(check: SliceCheck, events: int) -> DataFrame:
    from pyspark.sql import functions as sql

    clients, registers = check.clients, check.registers
    names = [name for name in ("process", "process_json") if name in clients.columns]
    part = sql.pmod(sql.xxhash64(*names), sql.lit(1 + events // _PART_ROWS)).alias("part")

    def uses_of(events):  # type: ignore[no-untyped-def]
        import pyarrow

        events = events.sort_by("index")
        try:
            return pyarrow.table(_native.transaction_uses(events, registers))
        except ValueError as wrong:
            from .spark import _by_index

            raise ValueError(_by_index(str(wrong), events)) from None

    return clients.groupBy(part).applyInArrow(_of_tables(uses_of), _USES)


def _by_key(uses: DataFrame, events: int, worker: Callable[[Any], Any], schema: str) -> DataFrame:
    from pyspark.sql import functions as sql

    part = sql.pmod(sql.xxhash64("key"), sql.lit(1 + events // _PART_ROWS)).alias("part")
    return uses.groupBy(part).applyInArrow(_of_tables(worker), schema)


def _of_tables(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import pyarrow

    def of_tables(events):  # type: ignore[no-untyped-def]
        return function(events)

    # Spark goes by the types themselves, not by their names.
    of_tables.__annotations__ = {"events": pyarrow.Table, "return": pyarrow.Table}
    return of_tables


def _uses_by_key(uses: pyarrow.Table) -> pyarrow.Table:
    import pyarrow

    schema = pyarrow.schema(
        [
            ("transaction", pyarrow.int64()),
            ("completed", pyarrow.int64()),
            ("outcome", pyarrow.int8()),
            ("key", pyarrow.string()),
            ("steps", pyarrow.string()),
        ]
    )
    return uses.select(schema.names).cast(schema).sort_by([("key", "ascending"), ("transaction", "ascending")])


def _facts_worker(check: SliceCheck, edges_within: list[tuple[int, int]]) -> Callable[[Any], Any]:
    registers, uses_max = check.registers, check.limits.rows

    def facts_of(uses):  # type: ignore[no-untyped-def]
        import pyarrow

        return pyarrow.table(_native.transaction_edges(_uses_by_key(uses), registers, uses_max, edges_within))

    return facts_of


def _members_worker(check: SliceCheck, job: _Job, observed: frozenset[int]) -> Callable[[Any], Any]:
    registers, ranges, by_place = check.registers, job.ranges, job.by_place

    def members_of(uses):  # type: ignore[no-untyped-def]
        import pyarrow

        return pyarrow.table(_native.slice_members(_uses_by_key(uses), registers, ranges, by_place, set(observed)))

    return members_of


@dataclass
class _Facts:
    """What all keys contribute."""

    spans: list[tuple[int, int]]
    observed: frozenset[int]
    #: A transaction that uses the key, and its place.
    irregular: dict[str, tuple[int, int]]
    large: list[tuple[str, int]]
    edges: list[tuple[int, int]]
    has_reads: bool

    @classmethod
    def of(cls, rows: Iterator[Any]) -> _Facts:
        spans, conditional, observed, irregular, large, edges = [], [], set(), {}, [], []
        has_reads = False
        for row in rows:
            kind, pair = row["kind"], (row["one"], row["other"])
            if kind == "span" and row["only_if"] is None:
                spans.append(pair)
            elif kind == "span":
                conditional.append((row["only_if"], pair))
            elif kind == "observed":
                observed.add(row["one"])
            elif kind == "irregular":
                irregular[row["key"]] = pair
            elif kind == "large":
                large.append((row["key"], row["one"]))
            elif kind == "edge":
                edges.append(pair)
            else:
                has_reads = True
        spans += [pair for of, pair in conditional if of in observed]
        merged = _native.merge_places(spans)
        return cls(merged, frozenset(observed), irregular, large, edges, has_reads)


@dataclass
class _Cut:
    """A history whose spans are known."""

    check: SliceCheck
    uses: DataFrame
    events: int
    facts: _Facts
    report: SliceReport

    def jobs(self, levels: list[str]) -> Iterator[_Job]:
        """The slices to check. A span of so many places has about as many events."""
        rows = self.check.limits.rows
        small = [span for span in self.facts.spans if span[1] - span[0] <= rows]
        if small:
            yield _Job(levels, _packed(small, min(rows, _SLICE_PLACES)), by_place=True)
        yield from self.knot_jobs(levels)

    def knot_jobs(self, levels: list[str], places: dict[int, int] | None = None) -> Iterator[_Job]:
        """The knots in spans that are too large for a worker. ``places`` gets the place of each transaction in such a span."""
        limits, rows_of = self.check.limits, self.check.rows_of
        large = [span for span in self.facts.spans if span[1] - span[0] > limits.rows]
        if not large:
            return
        within = _within(self.uses, large, self.facts.observed)
        transactions = within.select("transaction", "completed", "outcome", "session").distinct()
        count = transactions.count()
        if count > limits.driver_rows:
            self.report.reasons.append(
                f"{count} transactions lie in spans that are too large for a worker; the driver takes "
                f"{limits.driver_rows} (driver_rows_max)"
            )
            return
        told = [(row["transaction"], row["completed"], row["outcome"], row["session"]) for row in rows_of(transactions)]
        if places is not None:
            places.update((of[0], _place(*of[:3])) for of in told)
        # By all uses of a key: those within the spans alone do not show its versions.
        facts = _by_key(self.uses, self.events, _facts_worker(self.check, large), _FACTS)
        edges = _Facts.of(rows_of(facts)).edges
        for real_time in (False, True):
            asked = [level for level in levels if (level in REAL_TIME) == real_time]
            if asked:
                knots = _native.transaction_knots(told, edges, real_time)
                if knots:
                    yield _of_knots(knots, asked, limits)

    def verdicts(self, job: _Job, on_driver: bool = False) -> Iterator[Any]:
        """What is known of each slice: rows of the number, the verdict, how many operations, and the report in JSON."""
        check, observed = self.check, self.facts.observed
        members = _by_key(self.uses, self.events, _members_worker(check, job, observed), _MEMBERS).distinct()
        events, worker = _events_of(check.clients, members), _check_worker(check, job, self.facts)
        if on_driver:
            rows = iter(worker(events.toArrow()).to_pylist())
        else:
            from pyspark.sql import functions as sql

            part = sql.pmod(sql.xxhash64("slice"), sql.lit(16)).alias("part")
            rows = check.rows_of(events.groupBy(part).applyInArrow(_of_tables(worker), _VERDICTS))
        for row in rows:
            if row["verdict"] == "refused":
                raise ValueError(json.loads(row["report"])["reason"])
            yield row


def _place(transaction: int, completed: int | None, outcome: int) -> int:
    return transaction if outcome == 2 or completed is None else completed


def _within(uses: DataFrame, spans: list[tuple[int, int]], observed: frozenset[int]) -> DataFrame:
    """The uses by transactions whose places are in spans."""

    def uses_within(uses):  # type: ignore[no-untyped-def]
        import bisect

        import pyarrow

        lows = [low for low, _ in spans]
        columns = (uses.column(name).to_pylist() for name in ("transaction", "completed", "outcome"))

        def is_within(transaction, completed, outcome):  # type: ignore[no-untyped-def]
            place = _place(transaction, completed, outcome)
            at = bisect.bisect_right(lows, place) - 1
            return at >= 0 and place <= spans[at][1] and (outcome != 2 or transaction in observed)

        return uses.filter(pyarrow.array([is_within(*row) for row in zip(*columns)], pyarrow.bool_()))

    def batches(found):  # type: ignore[no-untyped-def]
        import pyarrow

        for batch in found:
            yield from uses_within(pyarrow.Table.from_batches([batch])).to_batches()

    return uses.mapInArrow(batches, _USES)


def _packed(spans: list[tuple[int, int]], places: int) -> list[tuple[int, int, int]]:
    """Spans with the number of their slice. Neighbours share one as long as they are small together."""
    ranges, number, used = [], 0, 0
    for low, high in spans:
        width = high - low + 1
        if used and used + width > places:
            number, used = number + 1, 0
        used += width
        ranges.append((low, high, number))
    return ranges


def _of_knots(knots: list[tuple[list[int], list[int]]], levels: list[str], limits: SliceLimits) -> _Job:
    ranges, partial = [], set()
    for number, (transactions, cycle) in enumerate(knots):
        if 2 * len(transactions) > limits.rows:
            partial.add(number)
            transactions = cycle
        ranges += [(transaction, transaction, number) for transaction in transactions]
    return _Job(levels, sorted(ranges), by_place=False, partial=frozenset(partial))


def _events_of(clients: DataFrame, members: DataFrame) -> DataFrame:
    """The events of the transactions in slices, with the number of the slice."""
    from pyspark.sql import functions as sql

    invoked = members.select(sql.col("slice"), sql.col("transaction").alias("index"))
    completed = members.where("completed is not null").select("slice", sql.col("completed").alias("index"))
    return clients.join(invoked.unionByName(completed), "index")


def _check_worker(check: SliceCheck, job: _Job, facts: _Facts) -> Callable[[Any], Any]:
    """Return what a worker does with the events of some slices."""
    irregular = {key: _slice_of(job, *of) for key, of in facts.irregular.items()}
    header, registers, words = check.header, check.registers, check.options(job.levels)
    ranges, by_place = job.ranges, job.by_place

    def verdicts_of(events):  # type: ignore[no-untyped-def]
        import pyarrow

        from .spark import _by_index, _with_header

        events = _with_header(events.sort_by([("slice", "ascending"), ("index", "ascending")]), header)
        slices = [
            (entry["values"], entry["counts"]) for entry in events.column("slice").value_counts().to_pylist()
        ]
        alone = events.drop_columns(["slice"])
        if registers:
            found = _native.check_register_slices(alone, slices, ranges, by_place, irregular, words)
            found = [_register_row(*one) for one in found]
        else:
            found = _native.check_list_slices(alone, slices, irregular, words)
        rows, start = [], 0
        for (number, length), (verdict, operations, told) in zip(slices, found):
            if verdict == "refused":
                told = json.dumps({"reason": _by_index(told or "", events.slice(start, length))})
            start += length
            rows.append({"slice": number, "verdict": verdict, "operations": operations, "report": told})
        schema = pyarrow.schema(
            [
                ("slice", pyarrow.int64()),
                ("verdict", pyarrow.string()),
                ("operations", pyarrow.int64()),
                ("report", pyarrow.string()),
            ]
        )
        return pyarrow.Table.from_pylist(rows, schema=schema)

    return verdicts_of


def _register_row(
    operations: int, presumed: str | None, alone: str | None, problems: str | None
) -> tuple[str, int, str | None]:
    """The verdict on a slice of registers, with both reports on it, unless every level holds."""
    if problems is not None:
        return "refused", operations, problems
    if presumed is None:
        return "holds", operations, None
    return "open", operations, f'{{"presumed":{presumed},"alone":{alone}}}'


def _slice_of(job: _Job, transaction: int, place: int) -> int | None:
    import bisect

    at = bisect.bisect_right(job.ranges, (place if job.by_place else transaction, float("inf"), 0)) - 1
    if at < 0:
        return None
    low, high, number = job.ranges[at]
    return number if low <= (place if job.by_place else transaction) <= high else None
