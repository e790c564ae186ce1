"""Histories that outgrow one machine, checked on Spark or on Sail.

The history is a data frame of events, with the columns of ``docs/formats.md`` (*Events as columns*). It is shuffled by object:
all events of one ``key`` meet on one worker, are put into the order of ``index``, and are checked there by the same engine
as everywhere. That is exact for what is decided of each object by itself: linearizability and the session guarantees.
Transactions are cut into parts that do not depend on each other (``_slices.py``).
Everything else needs the whole history: it is decided on the driver if the history is small, else it is *unknown*, with the
reason.

The package has to be installed on the workers too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import _native
from ._check import check as _check_here
from ._check import check_options
from ._slices import REAL_TIME, SliceCheck, SliceLimits, check_slices

if TYPE_CHECKING:
    import pyarrow
    from pyspark.sql import DataFrame

__all__ = ["KeyAnomaly", "LevelAnswer", "ScaleReport", "check", "verdicts"]

#: What is decided of each object by itself.
LOCAL_LEVELS = frozenset(
    ["linearizable", "read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads", "session"]
)
#: Models whose objects are keys.
LOCAL_MODELS = frozenset(["register", "cas-register", "kv", "counter", "set", "queue", "stack", "priority-queue", "mutex"])
#: Processes that are no clients.
ACTORS = ("nemesis", "recorder", "replica", "audit")
#: The columns of events that a check reads; all others stay where they are.
COLUMNS = (
    "index",
    "time",
    "process",
    "process_json",
    "session",
    "session_json",
    "type",
    "f",
    "key",
    "key_json",
    "value",
    "value_json",
    "version",
)
#: Models of transactions that can be cut into slices.
SLICED_MODELS = frozenset(["list-append", "rw-register"])
#: Options under which lists and registers mean something that slices do not know.
NOT_IN_SLICES = frozenset(["init", "init_by_key", "assume"])
#: Why levels with real time are unknown without it.
NO_REAL_TIME = (
    "the history tells what each session did and nothing of when, so that no operation is known to have come before one of another "
    "session"
)
#: Anomalies that a report keeps.
ANOMALIES_MAX = 1000
#: Events that a worker takes at a time, if they are of several objects.
_PART_ROWS = 250_000
#: Events by which the model of a history is recognised.
_SAMPLE_ROWS = 200_000
#: Problems that a message tells.
PROBLEMS_MAX = 20

_VERDICTS = "key string, key_json string, verdict string, operations long, report string"


@dataclass(frozen=True, order=True)
class KeyAnomaly:
    """An anomaly: something that no permitted execution explains.

    Attributes
    ----------
    level, type : str
        What it violates, and its name.
    key : str
        The object, as JSON.
    operations : tuple of int
        The indexes of the invocations that show it.
    text : str
        A sentence for people.
    """

    level: str
    key: str
    operations: tuple[int, ...]
    type: str
    text: str


@dataclass
class LevelAnswer:
    """The verdict on one level over all objects.

    Attributes
    ----------
    level, verdict : str
        As in :class:`steadfast_checker.Answer`.
    keys : dict of str to int
        How many objects have each verdict. A level of the whole history has one verdict.
    reason : str or None
        Why the verdict is unknown, if it is.
    decided : str
        Where: ``"by object"`` and ``"in slices"`` on workers, ``"on the driver"``, or ``"nowhere"``.
    slices : int
        How many slices were checked.
    """

    level: str
    keys: dict[str, int] = field(default_factory=dict)
    reason: str | None = None
    decided: str = "nowhere"
    slices: int = 0

    @property
    def verdict(self) -> str:
        for verdict in ("violated", "unknown", "holds"):
            if self.keys.get(verdict):
                return verdict
        return "untested"


@dataclass
class ScaleReport:
    """The verdicts on a history that was checked object by object.

    Attributes
    ----------
    model : str
        What the objects are.
    answers : tuple of LevelAnswer
        One for each level.
    anomalies : tuple of KeyAnomaly
        What violates a level, sorted; at most a thousand.
    more_anomalies : int
        How many there are beyond those.
    unknown_keys : dict of str to str
        The objects without a verdict (as JSON), with the reason; at most a thousand.
    operations, objects : int
        How much there is in the history.
    """

    model: str
    answers: tuple[LevelAnswer, ...]
    anomalies: tuple[KeyAnomaly, ...]
    more_anomalies: int
    unknown_keys: dict[str, str]
    operations: int
    objects: int

    @property
    def verdict(self) -> str:
        """``"violated"`` if a level is; else ``"unknown"``, else ``"untested"`` if one is; else ``"holds"``."""
        found = {answer.verdict for answer in self.answers}
        return next((verdict for verdict in ("violated", "unknown", "untested") if verdict in found), "holds")

    def __bool__(self) -> bool:
        return self.verdict == "holds"

    def __getitem__(self, level: str) -> LevelAnswer:
        for answer in self.answers:
            if answer.level == level:
                return answer
        raise KeyError(level)


def check(
    events: DataFrame,
    *,
    consistency: str | list[str] | None = None,
    model: str | None = None,
    header: Mapping[str, Any] | None = None,
    rows_max: int = 5_000_000,
    driver_rows_max: int = 5_000_000,
    **options: Any,
) -> ScaleReport:
    """Check a history in a Spark data frame.

    Parameters
    ----------
    events : pyspark.sql.DataFrame
        A row an event. Needs the columns ``index`` (the order of events), ``process``, ``type`` and ``f``; ``key`` or
        ``key_json`` on every event of a client.
    consistency : str or list of str, optional
        The levels to check. Without it the ones that the history suggests.
    model : str, optional
        What the objects are. Without it a sample of the history suggests it.
    header : mapping, optional
        The header of the history, which a data frame has no place for. ``{"real_time": False}`` says that the order of events
        tells nothing between sessions; histories of session stores have in it how long sessions live.
    rows_max : int
        Events of one object that a worker takes. An object with more is not checked: its verdict is *unknown*.
    driver_rows_max : int
        Events of a whole history that the driver takes, where a level cannot be decided object by object.
    **options
        As for :func:`steadfast_checker.check`: ``timeout`` and ``memory`` are those of each object.

    Returns
    -------
    ScaleReport

    Raises
    ------
    ValueError
        A column is missing, or events are not what they should be. Events are told by their ``index``.
    RuntimeError
        The workers do not have this package.
    """
    plan = _plan(events, consistency, model, header, driver_rows_max, options)
    report = _Gathering(plan)
    by_key = [level for level in plan.levels if level in LOCAL_LEVELS and plan.is_local]
    if by_key:
        report.note_place(by_key, "by object")
        lazy = verdicts(events, consistency=by_key, model=plan.model, header=header, rows_max=rows_max, **options)
        for row in _rows(lazy):
            report.add(row, by_key)
    others = [level for level in plan.levels if level not in by_key]
    if others and plan.can_be_cut and plan.events > driver_rows_max:
        in_slices = [level for level in others if level in _isolation_levels()]
        others = [level for level in others if level not in in_slices]
        report.add_slices(events, in_slices, header, SliceLimits(rows_max, driver_rows_max), options)
    if others:
        report.add_on_driver(events, others, header, driver_rows_max, options)
    return report.finish()


def verdicts(
    events: DataFrame,
    *,
    consistency: str | list[str],
    model: str,
    header: Mapping[str, Any] | None = None,
    rows_max: int = 5_000_000,
    **options: Any,
) -> DataFrame:
    """Return a data frame with the verdict of each object. Nothing is computed until the data frame is evaluated.

    Parameters
    ----------
    events, consistency, model, header, rows_max, **options
        As for :func:`check`, but the levels are those that are decided of each object by itself, and both they and the
        model are given.

    Returns
    -------
    pyspark.sql.DataFrame
        Columns: ``key`` and ``key_json`` (the object, as in the events), ``verdict`` (``holds``, ``violated``,
        ``untested``, ``unknown``, or ``refused`` where its events are no history), ``operations`` (how many there are) and
        ``report`` (what ``steadfast check --format json`` prints, unless everything holds).
    """
    from pyspark.sql import functions as sql

    levels = [consistency] if isinstance(consistency, str) else list(consistency)
    foreign = [level for level in levels if level not in LOCAL_LEVELS]
    if foreign or model not in LOCAL_MODELS:
        what = f"the levels {', '.join(foreign)} are" if foreign else f"the model {model!r} is"
        raise ValueError(f"{what} not decided per object. Use check(), which decides small histories on the driver")
    clients = _clients(events)
    counts = clients.groupBy("key", "key_json").agg(sql.count("*").alias("events"))
    hot = [(row["key"], row["key_json"]) for row in counts.where(sql.col("events") > rows_max).collect()]
    for key, key_json in hot:
        clients = clients.where(~(sql.col("key").eqNullSafe(key) & sql.col("key_json").eqNullSafe(key_json)))
    words = check_options(consistency=levels, model=model, **options)
    # Many objects at a time: a call for each costs a millisecond, and the check of a small one some microseconds.
    parts = 1 + (counts.agg(sql.sum("events").alias("events")).collect()[0]["events"] or 0) // _PART_ROWS
    part = sql.pmod(sql.xxhash64("key", "key_json"), sql.lit(parts)).alias("part")
    found = clients.groupBy(part).applyInArrow(_worker(words, header), _VERDICTS)
    if hot:
        reason = f"the object has more than {rows_max} events, which is what a worker takes (rows_max)"
        report = json.dumps({"verdict": "unknown", "reason": reason})
        session = events.sparkSession
        found = found.unionByName(
            session.createDataFrame([(key, key_json, "unknown", 0, report) for key, key_json in hot], _VERDICTS)
        )
    return found


def _worker(words: list[str], header: Mapping[str, Any] | None) -> Any:
    """Return what a worker does with the events of some objects."""
    import pyarrow

    def verdicts_of(events):  # type: ignore[no-untyped-def]
        return _verdicts_of(events, words, header)

    # Spark goes by the types themselves, not by their names.
    verdicts_of.__annotations__ = {"events": pyarrow.Table, "return": pyarrow.Table}
    return verdicts_of


def _verdicts_of(events: pyarrow.Table, words: list[str], header: Mapping[str, Any] | None) -> pyarrow.Table:
    import pyarrow

    # Engines gather rows in any order; the check is of the order of events.
    by_object = [("key", "ascending"), ("key_json", "ascending"), ("index", "ascending")]
    events = _with_header(events.sort_by(by_object), header)
    starts = _starts(events)
    lengths = [end - start for start, end in zip(starts, starts[1:] + [events.num_rows])]
    keys = events.select(["key", "key_json"]).take(starts).to_pylist()
    objects = [(_name(key["key"], key["key_json"]), length) for key, length in zip(keys, lengths)]
    found = _native.check_objects(events, objects, words)
    rows = []
    for key, start, length, (verdict, operations, told) in zip(keys, starts, lengths, found):
        if verdict == "refused":
            told = json.dumps({"reason": _by_index(told or "", events.slice(start, length))})
        rows.append({**key, "verdict": verdict, "operations": operations, "report": told})
    schema = pyarrow.schema(
        [
            ("key", pyarrow.string()),
            ("key_json", pyarrow.string()),
            ("verdict", pyarrow.string()),
            ("operations", pyarrow.int64()),
            ("report", pyarrow.string()),
        ]
    )
    return pyarrow.Table.from_pylist(rows, schema=schema)


def _starts(events: pyarrow.Table) -> list[int]:
    """The first row of each object in a sorted table."""
    import pyarrow.compute as compute

    if events.num_rows == 0:
        return []
    differ = None
    for name in ("key", "key_json"):
        column = events.column(name).combine_chunks()
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        both_null = compute.and_(compute.is_null(before), compute.is_null(after))
        changed = compute.and_not(compute.fill_null(compute.not_equal(before, after), True), both_null)
        differ = changed if differ is None else compute.or_(differ, changed)
    return [0] + compute.add(compute.indices_nonzero(differ), 1).to_pylist()


def _name(key: str | None, key_json: str | None) -> str:
    """The object as JSON."""
    return key_json if key_json is not None else json.dumps(key)


def _with_header(events: pyarrow.Table, header: Mapping[str, Any] | None) -> pyarrow.Table:
    """The table with the header where a reader looks for it. Events are missing in a part, which is as it should be."""
    if header is None:
        return events
    told = {"steadfast": 1, **{name: value for name, value in header.items() if name != "gapless"}}
    return events.replace_schema_metadata({"steadfast": json.dumps(told)})


def _by_index(problems: str, events: pyarrow.Table) -> str:
    """Problems by the index of their events: the rows of one object mean nothing to whoever has the whole table."""
    indexes = events.column("index")

    def index(found: re.Match[str]) -> str:
        row = int(found.group(1))
        return f"the event with index {indexes[row].as_py()}:" if row < len(indexes) else found.group(0)

    return re.sub(r"\brow (\d+):", index, problems)


@dataclass
class _Plan:
    model: str
    levels: list[str]
    is_local: bool
    events: int
    #: Whether the history is one of transactions that can be cut into slices.
    can_be_cut: bool


def _plan(
    events: DataFrame,
    consistency: str | list[str] | None,
    model: str | None,
    header: Mapping[str, Any] | None,
    driver_rows_max: int,
    options: Mapping[str, Any],
) -> _Plan:
    from pyspark.sql import functions as sql

    _need_columns(events)
    about = _standard(events).agg(
        sql.count("*").alias("events"),
        sql.sum(sql.col("index").isNull().cast("long")).alias("unnumbered"),
    )
    (counts,) = about.collect()
    if counts["unnumbered"]:
        raise ValueError(
            f"{counts['unnumbered']} events have no index. On many machines the column is the only order there is: number "
            "the events in the order in which they happened."
        )
    # To count distinct indexes instead would bring the set of all indexes to one task.
    twice = _standard(events).groupBy("index").agg(sql.count("*").alias("times")).where("times > 1")
    index = twice.agg(sql.min("index").alias("index")).collect()[0]["index"]
    if index is not None:
        raise ValueError(f"the index {index} is there more than once. Each event needs an index that no other event has.")
    consistency = [consistency] if isinstance(consistency, str) else consistency
    sample = _with_header(_sample(events, driver_rows_max), header)
    # Without time nothing is decided, and what would be is told.
    told = _check_here(sample, consistency=consistency, model=model, **{**options, "timeout": "0s"})
    levels = [answer.level for answer in told.answers]
    is_local = told.model in LOCAL_MODELS
    if is_local and any(level in LOCAL_LEVELS for level in levels):
        _need_keys(events)
    can_be_cut = told.model in SLICED_MODELS and not _has_versions(events) and not (set(options) & NOT_IN_SLICES)
    return _Plan(told.model, levels, is_local, counts["events"], can_be_cut)


def _has_versions(events: DataFrame) -> bool:
    """Whether the store gave versions, which order what no list shows."""
    return "version" in events.columns and bool(events.where("version is not null").limit(1).count())


def _isolation_levels() -> frozenset[str]:
    """The levels of transactions. What each transaction declares is in fields that are not shuffled."""
    return frozenset(name for name, _ in _native.names("isolation")) - {"mixed"}



def _need_columns(events: DataFrame) -> None:
    columns = events.columns
    for name in ("index", "process", "type", "f"):
        if name not in columns and not (name == "process" and "process_json" in columns):
            why = "which is the order of events" if name == "index" else "which every event needs"
            raise ValueError(f"the data frame has no column {name!r}, {why}. Its columns are: {', '.join(columns)}.")


def _need_keys(events: DataFrame) -> None:
    """A completion may leave its key to its invocation, on one machine. Here the two would not meet."""
    from pyspark.sql import functions as sql

    clients = _clients(events)
    keyed = sql.col("key").isNotNull() | sql.col("key_json").isNotNull()
    about = clients.agg(
        sql.sum(keyed.cast("long")).alias("keyed"),
        sql.min(sql.when(~keyed, sql.col("index"))).alias("first"),
    )
    (row,) = about.collect()
    if row["keyed"] and row["first"] is not None:
        raise ValueError(
            f"the event with index {row['first']} has no key, and others have. Each event needs the key of its object, "
            "completions too."
        )


def _standard(events: DataFrame) -> DataFrame:
    """The columns that a check of objects reads, with a key that is text or JSON."""
    return _with_keys(events.select(*(name for name in COLUMNS if name in events.columns)))


def _with_keys(frame: DataFrame) -> DataFrame:
    """A key that is no text goes to the column of JSON."""
    from pyspark.sql import functions as sql

    types = dict(frame.dtypes)
    if "key" in types and types["key"] != "string":
        number = sql.col("key").cast("string")
        other = sql.col("key_json") if "key_json" in types else sql.lit(None).cast("string")
        frame = frame.withColumn("key_json", sql.coalesce(number, other)).withColumn(
            "key", sql.lit(None).cast("string")
        )
    for name in ("key", "key_json"):
        if name not in frame.columns:
            frame = frame.withColumn(name, sql.lit(None).cast("string"))
    return frame


def _clients(events: DataFrame) -> DataFrame:
    """The events of clients."""
    from pyspark.sql import functions as sql

    frame = _standard(events)
    if "process_json" in frame.columns:
        names = [json.dumps(actor) for actor in ACTORS]
        frame = frame.where(sql.col("process_json").isNull() | ~sql.col("process_json").isin(*names))
    if dict(frame.dtypes).get("process") == "string":
        frame = frame.where(sql.col("process").isNull() | ~sql.col("process").isin(*ACTORS))
    return frame


def _sample(events: DataFrame, rows_max: int) -> pyarrow.Table:
    """The beginning of the histories of some objects that do everything that is done."""
    from pyspark.sql import functions as sql

    frame = _clients(events)
    ends = frame.groupBy("f").agg(
        sql.min("key").alias("min_key"),
        sql.max("key").alias("max_key"),
        sql.min("key_json").alias("min_key_json"),
        sql.max("key_json").alias("max_key_json"),
    )
    found = ends.collect()
    wanted = sql.col("key").isNull() & sql.col("key_json").isNull()
    for name in ("key", "key_json"):
        keys = {row[f"{end}_{name}"] for row in found for end in ("min", "max")} - {None}
        if keys:
            wanted = wanted | sql.col(name).isin(*sorted(keys))
    return frame.where(wanted).orderBy("index").limit(min(rows_max, _SAMPLE_ROWS)).toArrow()


def _rows(frame: DataFrame) -> Any:
    try:
        yield from frame.toLocalIterator()
    except Exception as error:
        if "No module named 'steadfast_checker'" in str(error):
            raise RuntimeError(
                "a worker does not have the package steadfast-checker. Install it on the workers, in the version of the "
                "driver."
            ) from error
        raise


class _Gathering:
    """A report in the making."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.answers = {level: LevelAnswer(level) for level in plan.levels}
        self.anomalies: list[KeyAnomaly] = []
        self.more = 0
        self.unknown: dict[str, str] = {}
        self.refused: list[tuple[str, str]] = []
        self.operations = 0
        self.objects = 0

    def add(self, row: Any, levels: list[str]) -> None:
        """Add the verdict of an object."""
        key = _name(row["key"], row["key_json"])
        self.operations += row["operations"]
        self.objects += 1
        told = json.loads(row["report"]) if row["report"] else {}
        if row["verdict"] == "refused":
            self.refused.append((key, told["reason"]))
            return
        answers = {one["level"]: one for one in told.get("levels", [])}
        for level in levels:
            answer = answers.get(level, {"verdict": row["verdict"], "anomalies": []})
            verdict = answer["verdict"]
            self.answers[level].keys[verdict] = self.answers[level].keys.get(verdict, 0) + 1
            reason = answer.get("reason") or told.get("reason")
            if verdict == "unknown" and reason:
                self.answers[level].reason = min(filter(None, [self.answers[level].reason, reason]))
                if len(self.unknown) < ANOMALIES_MAX:
                    self.unknown.setdefault(key, reason)
            for one in answer.get("anomalies", []):
                self.keep(KeyAnomaly(level, key, tuple(one["operations"]), one["type"], one["text"]))

    def note_place(self, levels: list[str], decided: str) -> None:
        """Note where levels are decided."""
        for level in levels:
            self.answers[level].decided = decided

    def keep(self, anomaly: KeyAnomaly) -> None:
        # The first ones by name, whatever the order in which workers answer.
        self.anomalies.append(anomaly)
        if len(self.anomalies) >= 2 * ANOMALIES_MAX:
            self.anomalies.sort()
            self.more += len(self.anomalies) - ANOMALIES_MAX
            del self.anomalies[ANOMALIES_MAX:]

    def add_on_driver(
        self,
        events: DataFrame,
        levels: list[str],
        header: Mapping[str, Any] | None,
        rows_max: int,
        options: Mapping[str, Any],
    ) -> None:
        """Decide on one machine what needs the whole history."""
        if self.plan.events > rows_max:
            reason = (
                f"it is decided of the whole history, which has {self.plan.events} events; the driver takes {rows_max} "
                "(driver_rows_max)"
            )
            for level in levels:
                self.answers[level].keys["unknown"] = 1
                self.answers[level].reason = reason
            return
        # With all columns: findings about sessions rest on fields that no level of objects looks at.
        self.note_place(levels, "on the driver")
        table = _with_header(_with_keys(events).toArrow().sort_by("index"), header)
        try:
            report = _check_here(table, consistency=levels, model=self.plan.model, **options)
        except ValueError as wrong:
            raise ValueError(_by_index(str(wrong), table)) from None
        self.operations = self.operations or report.counts["operations"]
        self.objects = self.objects or report.counts["keys"]
        for answer in report.answers:
            self.answers[answer.level].keys[answer.verdict] = 1
            self.answers[answer.level].reason = answer.reason
            for one in answer.anomalies:
                key = json.dumps(one.key)
                self.keep(KeyAnomaly(answer.level, key, one.operations, one.type, one.text))

    def add_slices(
        self,
        events: DataFrame,
        levels: list[str],
        header: Mapping[str, Any] | None,
        limits: SliceLimits,
        options: Mapping[str, Any],
    ) -> None:
        """Decide levels of transactions, slice by slice."""

        def words(asked: list[str]) -> list[str]:
            return check_options(consistency=asked, model=self.plan.model, **{**options, "accept_untested": True})

        def keep(level: str, entry: Mapping[str, Any]) -> None:
            key = json.dumps(entry.get("key"))
            self.keep(KeyAnomaly(level, key, tuple(entry["operations"]), entry["type"], entry["text"]))

        clients = _clients(events)
        registers = self.plan.model == "rw-register"
        told = check_slices(SliceCheck(clients, registers, header, limits, words, _rows), levels, keep)
        self.operations = clients.where("type = 'invoke'").count()
        self.note_place(levels, "in slices")
        without_real_time = (header or {}).get("real_time") is False
        for level in levels:
            answer, found = self.answers[level], told.levels[level]
            answer.slices = told.slices
            answer.reason = found.reason
            if told.reasons and not found.violated:
                found.unknown += 1
                answer.reason = told.reasons[0]
            if without_real_time and level in REAL_TIME and told.has_reads and not found.violated:
                # No slice at all says nothing about an order that nobody knows.
                found.unknown += 1
                answer.reason = answer.reason or NO_REAL_TIME
            if found.violated or found.unknown or told.has_reads:
                verdict = "violated" if found.violated else "unknown" if found.unknown else "holds"
                answer.keys[verdict] = 1
            if answer.verdict != "unknown":
                answer.reason = None

    def finish(self) -> ScaleReport:
        if self.refused:
            told = sorted(self.refused)[:PROBLEMS_MAX]
            lines = [f"object {key}: {reason}" for key, reason in told]
            more = len(self.refused) - len(told)
            raise ValueError("\n".join(lines + ([f"and {more} more objects"] if more else [])))
        self.anomalies.sort()
        more = self.more + max(0, len(self.anomalies) - ANOMALIES_MAX)
        return ScaleReport(
            model=self.plan.model,
            answers=tuple(self.answers.values()),
            anomalies=tuple(self.anomalies[:ANOMALIES_MAX]),
            more_anomalies=more,
            unknown_keys=dict(sorted(self.unknown.items())),
            operations=self.operations,
            objects=self.objects,
        )
