"""``check`` and ``read``: from what Python calls a history to a verdict."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Union

from . import _native
from ._frames import initial_as_in_pandas, of_pandas, of_polars, package_of
from ._model import Model
from ._report import Report

if TYPE_CHECKING:
    import pandas

    #: Anything with ``__arrow_c_stream__``, a path, or a list of events.
    HistoryLike = Union[str, "os.PathLike[str]", Sequence[Mapping[str, Any]], "History", Any]

__all__ = ["History", "check", "options", "read"]


class History:
    """A history in memory.

    It can be checked as often as you like without being read again, and it is a table: everything that takes Arrow data
    (pyarrow, polars, DuckDB, pandas) takes it, with a row for each event.

    Make one with :func:`read`.
    """

    def __init__(self, native: _native.NativeHistory) -> None:
        self._native = native

    @property
    def name(self) -> str:
        """What the history is called in reports."""
        return self._native.name

    @property
    def remarks(self) -> list[str]:
        """How the input was understood, where that is not plain."""
        return self._native.remarks

    @property
    def events(self) -> int:
        """How many events there are."""
        return self._native.events

    @property
    def header(self) -> str | None:
        """What was run, as a JSON object, if the history says so."""
        return self._native.header

    def __len__(self) -> int:
        """How many operations there are."""
        return len(self._native)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._native.__arrow_c_stream__(requested_schema)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the events as a data frame, a row for each. Needs pandas and pyarrow."""
        import pyarrow

        return pyarrow.table(self).to_pandas()

    def __repr__(self) -> str:
        return f"<History {self.name!r}: {len(self)} operations, {self.events} events>"


def check(
    history: HistoryLike,
    *,
    consistency: str | Iterable[str] | None = None,
    model: str | Model | None = None,
    timeout: str | float | timedelta | None = None,
    memory: str | int | None = None,
    init: Any = None,
    init_by_key: Mapping[str, Any] | None = None,
    failed_cas: str | None = None,
    assume: str | Iterable[str] | None = None,
    accept_untested: bool = False,
    name: str | None = None,
    format: str | None = None,
    independent: bool = False,
    lenient: bool = False,
    time_to_live: str | None = None,
    **more: Any,
) -> Report:
    """Check one history.

    The interpreter is free while the check runs: other threads go on. An interrupt (Ctrl-C) ends the check.

    Parameters
    ----------
    history
        A path (every format that the program reads), a list of dicts (an event each), a data frame of pandas or polars, an
        Arrow table, record batch reader or anything else with ``__arrow_c_stream__`` (a row an event), or a
        :class:`History`.
    consistency : str or iterable of str, optional
        The levels to check. :func:`levels` lists them. Without it the history suggests them, as it does to the program.
    model : str or Model, optional
        What the objects are. :func:`models` lists the names. A :class:`Model` of your own decides linearizability only, and
        is far slower: each step calls Python.
    timeout : str, float (seconds) or timedelta, optional
        What is not decided by then is *unknown*: ``"30s"``.
    memory : str or int (bytes), optional
        What a search may hold: ``"2GiB"``. Beyond it the verdict is *unknown*.
    init : optional
        What every object holds at first. ``None`` means nothing.
    init_by_key : mapping, optional
        What single objects hold at first.
    failed_cas : {"says-nothing", "observes"}, optional
        What a failed compare-and-set tells of the state.
    assume : str or iterable of str, optional
        What else is known of the order of versions: ``"sequential-keys"``, ``"linearizable-keys"``.
    accept_untested : bool
        Report levels that nothing in the history could have contradicted as holding.
    name : str, optional
        What the history is called in the report. A path is called by itself.
    format : str, optional
        The format of a file, where neither name nor content tells.
    independent : bool
        Each value is ``[key, value]``, as Jepsen's independent workloads write it.
    lenient : bool
        Drop a last line that was cut off, and say so, instead of refusing the history.
    time_to_live : str, optional
        How long a session lives, for histories of session stores: ``"30m"``.
    **more
        Any other option of ``steadfast check``, with underscores for hyphens.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        The history or an option is not what it should be. The message has every problem: of tables and lists with its
        row, counted from 0, of files with line and column.
    FileNotFoundError
        There is no such file.
    RuntimeError
        A bug of this package. There is no verdict.
    """
    if package_of(history) == "pandas":
        init = initial_as_in_pandas(history, init)
        init_by_key = {key: initial_as_in_pandas(history, one) for key, one in (init_by_key or {}).items()}
    words = check_options(
        consistency=consistency,
        model=None if isinstance(model, Model) else model,
        timeout=timeout,
        memory=memory,
        init=init,
        init_by_key=init_by_key,
        failed_cas=failed_cas,
        assume=assume,
        accept_untested=accept_untested,
        format=format,
        independent=independent,
        lenient=lenient,
        time_to_live=time_to_live,
        **more,
    )
    if isinstance(model, Model):
        asked = [consistency] if isinstance(consistency, str) else list(consistency or ["linearizable"])
        if asked != ["linearizable"]:
            raise ValueError(f"a model in Python decides 'linearizable' only, not {', '.join(asked)}")
        native = _native.check_model(_source(history), model.initial(), model._step, name, words, accept_untested)
        return Report(native, model=type(model).__name__)
    return Report(_native.check(_source(history), name, words))


def read(
    history: HistoryLike,
    *,
    name: str | None = None,
    format: str | None = None,
    independent: bool = False,
    lenient: bool = False,
) -> History:
    """Read a history without checking it.

    Parameters
    ----------
    history, name, format, independent, lenient
        As for :func:`check`.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        Everything that is wrong with the history, as for :func:`check`.
    """
    words = options(**{"from": format}, independent=independent, lenient=lenient)
    return History(_native.read(_source(history), name, words))


def check_options(**given: Any) -> list[str]:
    """Convert keyword arguments of :func:`check` to options of the command line."""
    given["timeout"] = _duration(given.get("timeout"))
    given["init"] = _initial(given.get("init"), given.pop("init_by_key", None))
    given["from"] = given.pop("format", None)
    return options(**given)


def options(**given: Any) -> list[str]:
    """Convert keyword arguments to options of the command line."""
    words: list[str] = []
    for name, value in given.items():
        option = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, (list, tuple)) and name == "init":
            for one in value:
                words.append(f"{option}={one}")
        elif isinstance(value, Iterable) and not isinstance(value, str):
            words.append(f"{option}={','.join(str(one) for one in value)}")
        else:
            words.append(f"{option}={value}")
    return words


def _source(history: HistoryLike) -> Any:
    """Convert a history to what the native layer takes, without a copy where possible."""
    if isinstance(history, History):
        return history._native
    if isinstance(history, (str, bytes, os.PathLike, list)):
        return history
    package = package_of(history)
    if package == "pandas":
        return of_pandas(history)
    if package == "polars":
        return of_polars(history)
    if hasattr(history, "__arrow_c_stream__"):
        return history
    # A record batch alone is an array, not a stream.
    if hasattr(history, "__arrow_c_array__"):
        import pyarrow

        return pyarrow.table(pyarrow.record_batch(history))
    if isinstance(history, (Mapping, type)) or not isinstance(history, Iterable):
        return history
    return list(history)


def _duration(timeout: str | float | timedelta | None) -> str | None:
    if timeout is None or isinstance(timeout, str):
        return timeout
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not seconds >= 0:
        raise ValueError(f"timeout is {timeout}. Pass a duration from 0 up, such as '30s' or 30.")
    return f"{max(0, round(seconds * 1e6))}us"


def _initial(init: Any, by_key: Mapping[str, Any] | None) -> list[str]:
    import json

    words = [] if init is None else [json.dumps(init)]
    return words + [f"{json.dumps(key)}={json.dumps(value)}" for key, value in (by_key or {}).items()]
