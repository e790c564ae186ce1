"""What is recorded is what happened, whoever records it and however it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import pytest
import steadfast_checker as steadfast


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_operation_is_two_events_between_header_and_end(tmp_path):
    path = tmp_path / "run.jsonl"
    with steadfast.Recorder(path, header={"seed": 7}) as recorder:
        with recorder.operation("write", key="cart", value=5, session="s-17", node="n1") as op:
            # The invocation is there before the request leaves.
            assert lines(path)[-1]["type"] == "invoke"
            op.ok()
        with recorder.operation("read", key="cart", session="s-17") as op:
            op.ok(5, node="n2")
    header, write, written, read, answered, end = lines(path)
    assert header["steadfast"] == 1 and header["seed"] == 7 and header["gapless"] is True
    assert (write["f"], write["value"], write["session"], write["node"]) == ("write", 5, "s-17", "n1")
    assert (written["type"], written["value"], answered["value"], answered["node"]) == ("ok", 5, 5, "n2")
    assert [one["index"] for one in (write, written, read, answered, end)] == [0, 1, 2, 3, 4]
    assert end["process"] == "recorder" and end["f"] == "end"
    report = steadfast.check(path)
    assert report.verdict == "holds" and not any("cut short" in remark for remark in report.remarks)


def test_outcomes(tmp_path):
    path = tmp_path / "run.jsonl"
    with steadfast.Recorder(path) as recorder:
        with pytest.raises(TimeoutError):
            with recorder.operation("write", value=1):
                raise TimeoutError("no answer")
        with recorder.operation("write", value=2) as op:
            op.fail("refused")
        with pytest.warns(UserWarning, match="was not reported"):
            with recorder.operation("write", value=3):
                pass
        with recorder.operation("write", value=4) as op:
            op.ok()
            with pytest.raises(RuntimeError, match="ended already"):
                op.ok()
    completions = [one for one in lines(path)[1:-1] if one["type"] != "invoke"]
    assert [one["type"] for one in completions] == ["info", "fail", "info", "ok"]
    assert completions[0]["error"] == "TimeoutError: no answer" and completions[1]["error"] == "refused"
    # A client whose last operation is indeterminate goes on under a new number.
    assert completions[0]["process"] != completions[1]["process"] == completions[2]["process"]
    assert completions[3]["process"] != completions[2]["process"]
    counts = steadfast.check(path).counts
    assert (counts["ok"], counts["fail"], counts["info"]) == (1, 1, 2)


def test_threads_are_clients(tmp_path):
    # Two threads that shared a client would have two operations open at once: no history.
    path = tmp_path / "run.jsonl"
    register, lock = {}, threading.Lock()

    def work(number):
        for at in range(50):
            with recorder.operation("write", key="x", value=number * 100 + at) as op:
                with lock:
                    register["x"] = number * 100 + at
                op.ok()
            with recorder.operation("read", key="x") as op:
                with lock:
                    value = register["x"]
                op.ok(value)

    with steadfast.Recorder(path) as recorder:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    report = recorder.check()
    assert report.verdict == "holds", str(report)
    assert report.counts["operations"] == 800 and report.counts["processes"] == 8


def test_tasks_are_clients(tmp_path):
    path = tmp_path / "run.jsonl"
    register = {}

    async def work(recorder, number):
        for at in range(20):
            async with recorder.operation("write", key="x", value=number * 100 + at) as op:
                await asyncio.sleep(0)
                register["x"] = number * 100 + at
                await asyncio.sleep(0)
                op.ok()
            async with recorder.operation("read", key="x") as op:
                await asyncio.sleep(0)
                op.ok(register["x"])

    async def main():
        with steadfast.Recorder(path) as recorder:
            await asyncio.gather(*(work(recorder, number) for number in range(8)))
            cancelled = asyncio.create_task(wait(recorder))
            await asyncio.sleep(0)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled

    async def wait(recorder):
        async with recorder.operation("write", key="x", value=-1):
            await asyncio.sleep(60)

    asyncio.run(main())
    report = steadfast.check(path)
    assert report.verdict == "holds", str(report)
    assert report.counts["processes"] == 9 and report.counts["info"] == 1


def test_operations_within_operations_have_clients_of_their_own(tmp_path):
    with steadfast.Recorder(tmp_path / "run.jsonl") as recorder:
        with recorder.operation("write", value=1) as outer:
            with recorder.operation("read") as inner:
                inner.ok(1)
            outer.ok()
        with recorder.operation("read") as op:
            op.ok(1)
    processes = [one["process"] for one in lines(recorder.path)[1:-1]]
    assert processes == [0, 1, 1, 0, 0, 0]


def test_a_kill_leaves_a_history(tmp_path):
    # SIGKILL in the middle of everything: what is in the file by then is valid, and says that it was cut short.
    path = tmp_path / "run.jsonl"
    program = (
        "import sys, threading, steadfast_checker as steadfast\n"
        "recorder = steadfast.Recorder(sys.argv[1])\n"
        "def work(number):\n"
        "    at = 0\n"
        "    while True:\n"
        "        at += 1\n"
        "        with recorder.operation('write', key='x', value=[number, at]) as op:\n"
        "            op.ok()\n"
        "for number in range(4):\n"
        "    threading.Thread(target=work, args=(number,)).start()\n"
    )
    for delay in (0.02, 0.1, 0.3):
        path.unlink(missing_ok=True)
        child = subprocess.Popen([sys.executable, "-c", program, str(path)])
        deadline = time.monotonic() + 30
        while not path.exists() or path.stat().st_size < 1000:
            assert time.monotonic() < deadline and child.poll() is None
            time.sleep(0.01)
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        history = steadfast.read(path)
        assert len(history) > 3
        assert any("cut short" in remark for remark in steadfast.check(path, consistency="monotonic-writes").remarks)


def test_what_cannot_be_recorded_is_said_and_the_history_stays_one(tmp_path):
    path = tmp_path / "run.jsonl"
    with steadfast.Recorder(path) as recorder:
        with pytest.raises(ValueError, match="'write' cannot be recorded"):
            with recorder.operation("write", value={1, 2}):
                raise AssertionError("the request must not leave")
        with pytest.raises(ValueError, match="cannot be recorded"):
            with recorder.operation("read") as op:
                op.ok(float("nan"))
        with pytest.raises(ValueError, match="cannot be a further field"):
            recorder.operation("read", type="ok")
    assert [one["type"] for one in lines(path)[1:-1]] == ["invoke", "info"]
    assert len(steadfast.read(path)) == 1


def test_a_file_that_exists_is_kept(tmp_path):
    path = tmp_path / "run.jsonl"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        steadfast.Recorder(path)
    assert path.read_text() == "precious"
    steadfast.Recorder(path, overwrite=True).close()
    assert len(lines(path)) == 2


def test_nothing_more_happens_once_the_journal_is_lost(tmp_path, monkeypatch):
    with steadfast.Recorder(tmp_path / "run.jsonl") as recorder:
        real = os.write
        monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            with recorder.operation("write", value=1):
                raise AssertionError("the request must not leave")
        monkeypatch.setattr(os, "write", real)
        with pytest.raises(RuntimeError, match="no further operation may begin"):
            with recorder.operation("write", value=1):
                raise AssertionError("the request must not leave")


def test_a_recorder_that_has_ended_records_no_more(tmp_path):
    recorder = steadfast.Recorder(tmp_path / "run.jsonl")
    recorder.close()
    recorder.close()
    with pytest.raises(RuntimeError, match="has ended"):
        recorder.operation("read").__enter__()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_child_records_nothing_into_the_file_of_its_parent(tmp_path):
    # Both would count indexes from the same number on.
    with steadfast.Recorder(tmp_path / "run.jsonl") as recorder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                recorder.operation("read").__enter__()
            except RuntimeError:
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert len(lines(recorder.path)) == 2
