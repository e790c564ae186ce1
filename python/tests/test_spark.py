"""Object by object on a cluster, the verdicts are those of one machine.

The engine is Sail with a cluster of two workers on this machine: no JVM. Tests are skipped where it is not installed.
"""

import json
import os
import random

import pytest
import steadfast_checker as steadfast
from conftest import events

pysail = pytest.importorskip("pysail.spark")
pyarrow = pytest.importorskip("pyarrow")
pytest.importorskip("pyspark.sql.connect")

from steadfast_checker import spark as scale  # noqa: E402


@pytest.fixture(scope="module")
def session():
    settings = {
        "SAIL_MODE": "local-cluster",
        "SAIL_CLUSTER__WORKER_INITIAL_COUNT": "2",
        "SAIL_CLUSTER__WORKER_MAX_COUNT": "2",
        "SAIL_CLUSTER__TASK_MAX_ATTEMPTS": "3",
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": "4",
    }
    os.environ.update(settings)
    server = pysail.SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    from pyspark.sql import SparkSession

    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    yield session
    session.stop()
    server.stop()


def frame_of(session, history):
    """The events as Spark has them, in an order that says nothing."""
    table = pyarrow.table(steadfast.read(history))
    plain = {name: column.cast(pyarrow.string()) if pyarrow.types.is_dictionary(column.type) else column
             for name, column in zip(table.column_names, table.columns)}
    table = pyarrow.table(plain)
    order = list(range(table.num_rows))
    random.Random(7).shuffle(order)
    return session.createDataFrame(table.take(order))


STALE = events(
    *[
        row
        for key in ("cart", "list", "wish")
        for row in (
            (0, "invoke", "write", 1, key),
            (0, "ok", "write", 1, key),
            (0, "invoke", "write", 2, key),
            (0, "ok", "write", 2, key),
            (1, "invoke", "read", None, key),
            (1, "ok", "read", 1 if key == "list" else 2, key),
        )
    ]
)


def test_an_anomaly_has_the_indexes_of_the_whole(session):
    report = scale.check(frame_of(session, STALE))
    assert report.verdict == "violated" and report.model == "register"
    (anomaly,) = report.anomalies
    assert (anomaly.type, anomaly.level, anomaly.key) == ("stale-read", "linearizable", '"list"')
    assert set(anomaly.operations) == {6, 8, 10}
    assert report["linearizable"].keys == {"holds": 2, "violated": 1}
    assert report["monotonic-reads"].verdict == "holds"
    assert (report.operations, report.objects) == (9, 3)


def test_the_parts_in_which_objects_are_checked_change_nothing(session, monkeypatch):
    whole = scale.check(frame_of(session, STALE))
    monkeypatch.setattr(scale, "_PART_ROWS", 1)
    assert scale.check(frame_of(session, STALE)) == whole


def test_neighbours_with_one_name_are_two_objects(session):
    # The text "7" and the number 7 differ, whatever lies beside what in the sorted table.
    history = events(
        *[
            (process, kind, "write", value, key)
            for process, key in enumerate(["7", 7, "8", 8])
            for value in (1, 2)
            for kind in ("invoke", "ok")
        ]
    )
    report = scale.check(frame_of(session, history), consistency="linearizable", model="register")
    assert (report.objects, report.operations) == (4, 8)


def comparable(report, levels):
    return {level: report[level].verdict for level in levels}


def test_the_corpus_is_as_on_one_machine(session, corpus):
    # Every case that has the default question, all of its levels: those by object and those of the whole.
    compared = 0
    for folder in corpus[:: int(os.environ.get("STEADFAST_SCALE_STRIDE", "1"))]:
        path = folder / "history.jsonl"
        alone = steadfast.check(path)
        if not alone.counts["operations"]:
            continue
        levels = [answer.level for answer in alone.answers]
        model = alone.model
        header = json.loads(steadfast.read(path).header or "null")
        together = scale.check(frame_of(session, path), consistency=levels, model=model, header=header)
        assert comparable(together, levels) == comparable(alone, levels), folder.name
        found = {(a.level, a.type, json.loads(a.key), a.operations) for a in together.anomalies}
        expected = {(a.level, a.type, a.key, a.operations) for a in alone.anomalies}
        assert found == expected, folder.name
        compared += 1
    assert compared > 10


def test_a_hot_object_is_named_and_the_others_stand(session):
    rows = STALE + events(*[row for at in range(20) for row in ((3, "invoke", "write", at, "hot"), (3, "ok", "write", at, "hot"))])
    report = scale.check(frame_of(session, rows), consistency="linearizable", rows_max=30)
    assert report.verdict == "violated"
    assert report["linearizable"].keys == {"holds": 2, "violated": 1, "unknown": 1}
    assert list(report.unknown_keys) == ['"hot"'] and "more than 30 events" in report.unknown_keys['"hot"']


def test_what_needs_the_whole_history_is_unknown_where_that_is_too_large(session):
    report = scale.check(frame_of(session, STALE), consistency=["linearizable", "sequential"], driver_rows_max=10)
    assert report["sequential"].verdict == "unknown"
    assert "18 events; the driver takes 10" in report["sequential"].reason
    assert report["linearizable"].verdict == "violated"
    report = scale.check(frame_of(session, STALE), consistency=["sequential"])
    assert report["sequential"].verdict == steadfast.check(STALE, consistency="sequential").verdict


def test_bad_input_is_named_by_its_index(session):
    def wrong(frame, **options):
        with pytest.raises(ValueError) as caught:
            scale.check(frame, **options)
        return str(caught.value)

    frame = frame_of(session, STALE)
    assert "has no column 'process'" in wrong(frame.drop("process", "process_json"))
    assert "has no column 'index', which is the order of events" in wrong(frame.drop("index"))
    assert "the index 0 is there more than once" in wrong(frame.union(frame.where("index = 0")))
    from pyspark.sql import functions as sql

    nameless = frame.withColumn("key", sql.when(sql.col("index") != 5, sql.col("key")))
    assert "the event with index 5 has no key" in wrong(nameless)
    unnumbered = frame.withColumn("index", sql.when(sql.col("index") != 5, sql.col("index")))
    assert "1 events have no index" in wrong(unnumbered)
    torn = frame.where("index != 8")
    told = wrong(torn)
    assert told.startswith('object "list": ') and "the event with index 9: found ok by process 0" in told


def test_a_task_that_dies_never_makes_a_report_of_less(session, tmp_path, monkeypatch):
    # The engine may do the task again, or give up; a report without the object would be a green that is none. (Sail 0.7
    # gives up: "a different attempt has already produced job output". Spark does it again.)
    once = tmp_path / "died"
    healthy = scale._worker

    def frail(words, header):
        worker = healthy(words, header)

        def dying(events):
            if not once.exists():
                once.write_text("")
                raise OSError("the disk of this worker is gone")
            return worker(events)

        dying.__annotations__ = worker.__annotations__
        return dying

    frame = frame_of(session, STALE)
    monkeypatch.setattr(scale, "_worker", frail)
    try:
        report = scale.check(frame, consistency="linearizable")
    except (ValueError, AssertionError):
        raise
    except Exception as gave_up:
        assert "different attempt" in str(gave_up) or "the disk of this worker is gone" in str(gave_up)
        report = scale.check(frame, consistency="linearizable")
    assert once.exists()
    assert report["linearizable"].keys == {"holds": 2, "violated": 1}


def test_a_worker_without_the_package_is_named():
    class Frame:
        def toLocalIterator(self):
            raise Exception("PythonException: ModuleNotFoundError: No module named 'steadfast_checker'")
            yield

    with pytest.raises(RuntimeError, match="Install it on the workers"):
        list(scale._rows(Frame()))


def list_transactions(seed, count, stale_every=0, dirty_reads=False):
    """Transactions on lists, of eight clients at once, on a store that runs them one after the other.

    One in ``stale_every`` reads an old state. With ``dirty_reads``, what failed transactions appended stays.
    """
    draw = random.Random(seed)
    states, rows, open_ones, element = [{}], [], {}, 0
    clients = list(range(8))

    def run(steps):
        is_stale = stale_every and draw.randrange(stale_every) == 0
        seen, newest, told = dict(states[-20 if is_stale and len(states) > 20 else -1]), dict(states[-1]), []
        for kind, key, value in steps:
            if kind == "append":
                seen[key], newest[key] = seen.get(key, ()) + (value,), newest.get(key, ()) + (value,)
            told.append([kind, key, value if kind == "append" else list(seen.get(key, ()))])
        states.append(newest)
        return told

    while count or open_ones:
        at = draw.randrange(len(clients))
        if at in open_ones:
            steps, outcome, told = open_ones.pop(at)
            if told is None and (outcome == "ok" or outcome == "info" and draw.random() < 0.5 or dirty_reads):
                told = run(steps)
            rows.append((clients[at], outcome, "txn", told if outcome == "ok" else steps))
            if outcome == "info":
                clients[at] = max(clients) + 1
        elif count:
            count -= 1
            steps = []
            for _ in range(draw.randint(1, 3)):
                element += 1
                is_append = draw.random() < 0.5
                steps.append(["append" if is_append else "r", f"k{draw.randrange(6)}", element if is_append else None])
            outcome = draw.choices(["ok", "fail", "info"], [92, 5, 3])[0]
            # Some take effect at once, others when they end.
            told = run(steps) if outcome == "ok" and draw.random() < 0.5 else None
            open_ones[at] = (steps, outcome, told)
            rows.append((clients[at], "invoke", "txn", steps))
    return events(*rows)


LEVELS = ["strict-serializable", "serializable", "snapshot-isolation", "causal", "read-atomic", "read-committed"]


@pytest.mark.parametrize(
    ("flaws", "rows_max"),
    [({}, 300), ({"stale_every": 60}, 300), ({"stale_every": 60}, 40), ({"dirty_reads": True}, 2000)],
)
def test_slices_of_transactions_have_the_verdicts_of_the_whole(session, flaws, rows_max):
    history = list_transactions(11, 400, **flaws)
    alone = steadfast.check(history, consistency=LEVELS, model="list-append")
    together = scale.check(frame_of(session, history), consistency=LEVELS, rows_max=rows_max, driver_rows_max=900)
    for level in LEVELS:
        # A knot that no worker can take leaves open what a short cycle in it does not show.
        expected = {alone[level].verdict} | ({"unknown"} if rows_max == 40 else set())
        assert together[level].verdict in expected, (level, together[level])
        shown = [anomaly for anomaly in together.anomalies if anomaly.level == level]
        assert bool(shown) == (together[level].verdict == "violated")
    assert together["strict-serializable"].verdict == ("holds" if not flaws else "violated")
    assert together.operations == 400


def register_transactions(seed, count, stale_every=0, lost_every=0, dirty_reads=False, repeated=False):
    """Transactions over registers, of eight clients at once, on a store that runs them one after the other.

    One in ``stale_every`` reads an old state. One in ``lost_every`` takes effect when it is invoked, and again when it completes, so that
    updates in between are lost. With ``dirty_reads``, what failed transactions wrote stays; with ``repeated``, values repeat.
    """
    draw = random.Random(seed)
    states, rows, open_ones, value = [{}], [], {}, 0
    clients = list(range(8))

    def run(steps, age=0):
        seen, newest, told = dict(states[-1 - min(age, len(states) - 1)]), dict(states[-1]), []
        for kind, key, written in steps:
            if kind == "w":
                seen[key] = newest[key] = written
            told.append([kind, key, written if kind == "w" else seen.get(key)])
        states.append(newest)
        return told

    while count or open_ones:
        at = draw.randrange(len(clients))
        if at in open_ones:
            steps, outcome, told, again = open_ones.pop(at)
            if told is None and (outcome == "ok" or outcome == "info" and draw.random() < 0.5 or dirty_reads):
                told = run(steps)
            elif again:
                run([step for step in steps if step[0] == "w"])
            rows.append((clients[at], outcome, "txn", told if outcome == "ok" else steps))
            if outcome == "info":
                clients[at] = max(clients) + 1
        elif count:
            count -= 1
            steps = []
            for _ in range(draw.randint(1, 3)):
                value = draw.randrange(60) if repeated else value + 1
                is_write = draw.random() < 0.5
                steps.append(["w" if is_write else "r", f"k{draw.randrange(6)}", value if is_write else None])
            outcome = draw.choices(["ok", "fail", "info"], [92, 5, 3])[0]
            age = 20 if stale_every and draw.randrange(stale_every) == 0 else 0
            again = outcome == "ok" and lost_every and draw.randrange(lost_every) == 0
            told = run(steps, age) if outcome == "ok" and (age or again or draw.random() < 0.5) else None
            open_ones[at] = (steps, outcome, told, again)
            rows.append((clients[at], "invoke", "txn", steps))
    return events(*rows)


@pytest.mark.parametrize(
    ("flaws", "rows_max", "may_be_unknown"),
    [
        ({}, 300, False),
        ({"lost_every": 5}, 300, True),
        ({"stale_every": 60}, 300, False),
        ({"stale_every": 60}, 150, True),
        ({"dirty_reads": True}, 2000, False),
        ({"repeated": True}, 2000, False),
    ],
)
def test_slices_of_registers_have_the_verdicts_of_the_whole(session, flaws, rows_max, may_be_unknown):
    history = register_transactions(11, 400, **flaws)
    alone = steadfast.check(history, consistency=LEVELS, model="rw-register")
    frame = frame_of(session, history)
    together = scale.check(frame, consistency=LEVELS, model="rw-register", rows_max=rows_max, driver_rows_max=700)
    for level in LEVELS:
        expected = {alone[level].verdict} | ({"unknown"} if may_be_unknown else set())
        assert together[level].verdict in expected, (level, together[level])
        assert together[level].decided == "in slices" and together[level].slices > 0
        assert bool(together[level].reason) == (together[level].verdict == "unknown")
        shown = [anomaly for anomaly in together.anomalies if anomaly.level == level]
        assert bool(shown) == (together[level].verdict == "violated")
    is_sound = not flaws or "repeated" in flaws
    expected = "holds" if is_sound else "violated"
    assert alone["strict-serializable"].verdict == together["strict-serializable"].verdict == expected
    assert together.operations == 400
    invoked = {index for index, row in enumerate(history) if row["type"] == "invoke"}
    assert all(anomaly.operations and set(anomaly.operations) <= invoked for anomaly in together.anomalies)


def test_an_element_that_nobody_appended_to_a_list_with_a_text_as_its_name(session):
    # The name was once told without its quotes, so that the slice did not know which list it had whole.
    history = events(
        (0, "invoke", "txn", [["append", "x", 1]]),
        (0, "ok", "txn", [["append", "x", 1]]),
        (1, "invoke", "txn", [["r", "x", None]]),
        (1, "ok", "txn", [["r", "x", [1, 9]]]),
    )
    report = scale.check(frame_of(session, history), consistency="serializable", model="list-append", driver_rows_max=0)
    assert report.verdict == "violated"


def test_an_order_that_nobody_knows_stays_unknown_in_slices(session):
    # No slice needs a check, and still nothing is known about real time.
    history = events(
        (0, "invoke", "txn", [["w", 1, 1]]),
        (0, "ok", "txn", [["w", 1, 1]]),
        (1, "invoke", "txn", [["r", 1, None]]),
        (1, "ok", "txn", [["r", 1, 1]]),
    )
    levels, header = ["strict-serializable", "serializable"], {"real_time": False}
    frame = frame_of(session, history)
    report = scale.check(frame, consistency=levels, model="rw-register", header=header, driver_rows_max=0)
    assert comparable(report, levels) == {"strict-serializable": "unknown", "serializable": "holds"}
    assert report["strict-serializable"].reason.startswith("the history tells what each session did")


def test_transactions_of_the_corpus_are_as_on_one_machine(session, corpus):
    levels = sorted(scale._isolation_levels())
    transactions = [folder for folder in corpus if '"txn"' in (folder / "history.jsonl").read_text()]
    compared = {"list-append": 0, "rw-register": 0}
    stride = int(os.environ.get("STEADFAST_SCALE_STRIDE", "1"))
    for folder in transactions:
        path = folder / "history.jsonl"
        model = steadfast.check(path).model
        if model not in compared or model == "rw-register" and compared[model] % stride:
            compared[model] = compared.get(model, 0) + 1
            continue
        header = json.loads(steadfast.read(path).header or "null")
        alone = steadfast.check(path, consistency=levels, model=model)
        frame = frame_of(session, path)
        together = scale.check(frame, consistency=levels, model=model, header=header, driver_rows_max=0)
        assert comparable(together, levels) == comparable(alone, levels), folder.name
        compared[model] += 1
    assert compared["list-append"] >= 3 and compared["rw-register"] >= 3
