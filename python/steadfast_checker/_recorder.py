"""Recording a history while it happens."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
import warnings
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._report import Report

__all__ = ["Operation", "Recorder"]



class Recorder:
    """Writes what clients ask of a store, and what they get back, to a history.

    Safe to use from several threads and from tasks of asyncio at once. The journal is a file of JSON Lines: an invocation
    is in it before the request leaves, a completion after its answer came, each written with one call to the system. If
    the process is killed at any moment, what is in the file is a valid history.

    Parameters
    ----------
    path : path
        The file to write. It must not exist yet.
    header : dict, optional
        What was run, against what, with which seed. Kept, not judged.
    overwrite : bool
        Replace a file that exists.
    fsync : bool
        Have the system write each event to the disk, so that a crash of the whole machine loses nothing. Slow.

    Notes
    -----
    A client does one thing at a time, so every thread and every task is a client of its own (a *process* of the history).
    An operation that begins while another of the same client is open gets a client for itself. After an operation whose
    outcome is unknown, its client goes on under a new number.

    A recorder belongs to the process of the system that made it. After a fork the child needs a recorder and a file of its
    own.

    Examples
    --------
    >>> with Recorder("run.jsonl") as recorder:                               # doctest: +SKIP
    ...     with recorder.operation("write", key="cart", value=5, session="s-17") as op:
    ...         client.put("cart", 5)
    ...         op.ok()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        header: dict[str, Any] | None = None,
        overwrite: bool = False,
        fsync: bool = False,
    ) -> None:
        self.path = Path(path)
        self._fsync = fsync
        self._lock = threading.Lock()
        self._index = 0
        self._processes = 0
        self._lost: OSError | None = None
        self._ended = False
        self._owner = os.getpid()
        self._of_thread = threading.local()
        self._of_task: weakref.WeakKeyDictionary[asyncio.Task[Any], _Client] = weakref.WeakKeyDictionary()
        self._zero = time.monotonic_ns()
        first = {"steadfast": 1, "recorder": "steadfast-checker"}
        first.update({name: value for name, value in (header or {}).items() if name not in ("steadfast", "gapless")})
        first.update({"gapless": True, "began_unix_ns": time.time_ns()})
        line = _line(first, "the header")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if overwrite else os.O_EXCL)
        self._file = os.open(self.path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o644)
        self._write(line)

    def operation(
        self,
        f: str,
        *,
        key: Any = None,
        value: Any = None,
        session: str | int | None = None,
        process: int | None = None,
        **fields: Any,
    ) -> Operation:
        """Return an operation to be used with ``with`` or ``async with``.

        Parameters
        ----------
        f : str
            What is done: ``"read"``, ``"write"``, ``"cas"``, ``"txn"``, …
        key
            The object. Without it the history is about one object.
        value
            The argument: what is written; ``[old, new]`` of a compare-and-set; the steps of a transaction.
        session : str or int, optional
            The user's session. Without it, the client is its own session.
        process : int, optional
            The number of the client. Without it each thread and each task has one.
        **fields
            Kept and shown, never judged: ``node="n1"``.

        Returns
        -------
        Operation
        """
        return Operation(self, f, key, value, session, process, fields)

    def fault(self, f: str, value: Any = None, *, type: str = "info") -> None:
        """Write down what a fault injector did: ``recorder.fault("kill", "n1")``."""
        self._event({"process": "nemesis", "type": type, "f": f, "value": value})

    def check(self, **options: Any) -> Report:
        """Check what was recorded so far. Takes the options of :func:`steadfast_checker.check`."""
        from ._check import check

        return check(self.path, **options)

    def close(self) -> None:
        """End the recording. Operations that are still open stay so: their outcome is unknown."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            try:
                if self._lost is None and os.getpid() == self._owner:
                    self._append({"process": "recorder", "type": "info", "f": "end"})
            finally:
                os.close(self._file)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _event(self, event: dict[str, Any]) -> None:
        with self._lock:
            self._ready()
            self._append(event)

    def _ready(self) -> None:
        if os.getpid() != self._owner:
            raise RuntimeError(f"{self.path} is recorded by another process. After a fork, the child needs its own Recorder")
        if self._ended:
            raise RuntimeError(f"the recording {self.path} has ended")
        if self._lost is not None:
            raise RuntimeError(f"{self.path} could not be written, so no further operation may begin: {self._lost}")

    def _append(self, event: dict[str, Any]) -> None:
        """Write an event. The lock is held, so that indexes, times and lines have one order."""
        event = {"index": self._index, "time": time.monotonic_ns() - self._zero, **event}
        line = _line(event, f"{event['f']!r}")
        try:
            self._write(line)
        except OSError as lost:
            self._lost = lost
            raise
        self._index += 1

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._file, line) :]
        if self._fsync:
            os.fsync(self._file)

    def _client(self) -> _Client:
        """The client that the running task or thread is. The lock is held."""
        try:
            task = asyncio.current_task()
        except RuntimeError:
            task = None
        client = self._of_task.get(task) if task is not None else getattr(self._of_thread, "client", None)
        if client is None:
            client = _Client(self._new_process())
            if task is not None:
                self._of_task[task] = client
            else:
                self._of_thread.client = client
        return client

    def _new_process(self) -> int:
        self._processes += 1
        return self._processes - 1


class _Client:
    """A thread or a task: its number, and whether an operation of it is open."""

    __slots__ = ("busy", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.busy = False


class Operation:
    """One operation of a client. Made by :meth:`Recorder.operation`; used with ``with`` or ``async with``.

    Say how it ended before the block does: :meth:`ok`, :meth:`fail` or :meth:`info`. If an exception leaves the block, the
    outcome is unknown (*info*), since the request may have had its effect all the same; the exception goes on. A block that
    ends and says nothing is *info* too, with a warning.
    """

    def __init__(
        self,
        recorder: Recorder,
        f: str,
        key: Any,
        value: Any,
        session: str | int | None,
        process: int | None,
        fields: dict[str, Any],
    ) -> None:
        for name in ("index", "time", "type", "process", "f", "key", "value", "session"):
            if name in fields:
                raise ValueError(f"{name!r} cannot be a further field: the recorder sets it")
        self._recorder = recorder
        self._about: dict[str, Any] = {"f": f}
        if key is not None:
            self._about["key"] = key
        if session is not None:
            self._about["session"] = session
        self._value = value
        self._fields = fields
        self._wanted = process
        self._process: int | None = None
        self._client: _Client | None = None
        self._done = False

    def __enter__(self) -> Operation:
        if self._process is not None:
            raise RuntimeError("an operation can be used only once; create another one")
        recorder = self._recorder
        with recorder._lock:
            recorder._ready()
            if self._wanted is not None:
                process, client = self._wanted, None
                recorder._processes = max(recorder._processes, process + 1)
            else:
                client = recorder._client()
                if client.busy:
                    # One thing at a time: this one is done by somebody else.
                    client = _Client(recorder._new_process())
                process = client.number
            recorder._append(
                {"process": process, **self._about, "type": "invoke", "value": self._value, **self._fields}
            )
            self._process, self._client = process, client
            if client is not None:
                client.busy = True
        return self

    def ok(self, value: Any = ..., **fields: Any) -> None:
        """It took effect.

        Parameters
        ----------
        value
            What came back: of a read, what was read. Without it, the value that it was invoked with.
        **fields
            Kept and shown: ``node="n2"``. ``version`` is believed: a number that the store returned and that grows with
            each write to the object.
        """
        self._complete("ok", self._value if value is ... else value, fields)

    def fail(self, error: Any = None, **fields: Any) -> None:
        """It certainly took no effect: the store said so, or nothing was sent."""
        self._complete("fail", self._value, fields if error is None else {"error": error, **fields})

    def info(self, error: Any = None, **fields: Any) -> None:
        """Nobody knows whether it took effect: a timeout, a reset connection."""
        self._complete("info", self._value, fields if error is None else {"error": error, **fields})

    def _complete(self, kind: str, value: Any, fields: dict[str, Any]) -> None:
        if self._process is None:
            raise RuntimeError("the operation has not begun: use it with `with`")
        if self._done:
            raise RuntimeError("the operation has ended already")
        event = {"process": self._process, **self._about, "type": kind, "value": value, **fields}
        recorder = self._recorder
        with recorder._lock:
            recorder._ready()
            try:
                recorder._append(event)
            except ValueError as wrong:
                # The answer came, and cannot be told.
                kind = "info"
                recorder._append(
                    {"process": self._process, **self._about, "type": "info", "value": self._value, "error": str(wrong)}
                )
                raise
            finally:
                self._done = True
                if self._client is not None:
                    self._client.busy = False
                    if kind == "info":
                        self._client.number = recorder._new_process()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._done:
            return
        if error is not None:
            text = str(error)
            self._complete("info", self._value, {"error": f"{type(error).__name__}: {text}" if text else type(error).__name__})
            return
        self._complete("info", self._value, {"error": "its outcome was not told"})
        warnings.warn(
            f"the outcome of {self._about['f']!r} was not reported, so it counts as unknown. Call ok(), fail() or info()",
            stacklevel=2,
        )

    async def __aenter__(self) -> Operation:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)


def _line(event: dict[str, Any], what: str) -> bytes:
    try:
        return (json.dumps(event, allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
    except (TypeError, ValueError, RecursionError) as wrong:
        raise ValueError(
            f"{what} cannot be recorded: {wrong}. Values are None, bool, int, finite float, str, list and dict."
        ) from None
