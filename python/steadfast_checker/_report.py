"""Verdicts."""

from __future__ import annotations

import html
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _native

if TYPE_CHECKING:
    import pandas

__all__ = ["Anomaly", "Answer", "Report"]


@dataclass(frozen=True)
class Anomaly:
    """An anomaly: something that no permitted execution explains.

    Attributes
    ----------
    type : str
        Its name in the definitions: ``"stale-read"``.
    level : str
        The level that it violates.
    key
        The object; ``None`` where the history names no objects.
    operations : tuple of int
        The indexes of the invocations that show it, the telling ones first.
    text : str
        A sentence for people.
    count : int or None
        How many of this type there are, where only some are told.
    details : dict
        Everything that the program says of it in JSON.
    """

    type: str
    level: str
    key: Any
    operations: tuple[int, ...]
    text: str
    count: int | None
    details: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The answer about one level.

    Attributes
    ----------
    level : str
        What was asked.
    verdict : str
        ``"holds"``, ``"violated"``, ``"untested"`` or ``"unknown"``.
    reason : str or None
        Why there is no verdict, if there is none.
    method : str
        The engine that decided.
    seconds : float
        How long it took.
    anomalies : tuple of Anomaly
        What violates it.
    """

    level: str
    verdict: str
    reason: str | None
    method: str
    seconds: float
    anomalies: tuple[Anomaly, ...]


class Report:
    """The verdicts on one history, made by :func:`steadfast_checker.check`.

    A report is true if everything that was asked *holds*; *untested* and *unknown* are not true.
    """

    def __init__(self, native: _native.NativeReport, model: str | None = None) -> None:
        self._native = native
        self._model = model

    @cached_property
    def _json(self) -> dict[str, Any]:
        return json.loads(self._native.render("json"))

    @property
    def verdict(self) -> str:
        """The verdict on everything that was asked.

        ``"violated"`` if a level is; else ``"missed"`` if an objective is; else ``"unknown"`` if a level or an objective is; else
        ``"untested"`` if a level is; else ``"holds"``.

        In JSON, ``verdict`` is that of the levels alone, so it is never ``"missed"``: each of the ``objectives`` has a verdict of its own there.
        """
        return self._native.verdict

    def __bool__(self) -> bool:
        return self.verdict == "holds"

    @property
    def history(self) -> str:
        """What the history is called."""
        return self._json["history"]

    @property
    def model(self) -> str:
        """The model by which answers are told."""
        return self._model or self._json["model"]

    @property
    def reason(self) -> str | None:
        """Why there is no verdict, if there is none."""
        return self._json.get("reason")

    @property
    def counts(self) -> dict[str, int]:
        """How much there is in the history: events, operations, ok, fail, info, processes, sessions, keys."""
        return dict(self._json["counts"])

    @property
    def basis(self) -> dict[str, int]:
        """What *holds* rests on: how many answers could have been wrong."""
        return dict(self._json["basis"])

    @property
    def seconds(self) -> dict[str, float]:
        """The time of each phase: read, check, verify, measure."""
        return dict(self._json["seconds"])

    @property
    def remarks(self) -> list[str]:
        """What else must be known of the verdict."""
        return list(self._json.get("remarks", []))

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """An answer for each level that was asked, in that order."""
        answers = []
        for level in self._json["levels"]:
            name = level["level"]
            anomalies = tuple(
                Anomaly(
                    type=one["type"],
                    level=name,
                    key=one["key"],
                    operations=tuple(one["operations"]),
                    text=one["text"],
                    count=one.get("count"),
                    details=one,
                )
                for one in level["anomalies"]
            )
            answers.append(
                Answer(name, level["verdict"], level.get("reason"), level["method"], level["seconds"], anomalies)
            )
        return tuple(answers)

    def __getitem__(self, level: str) -> Answer:
        for answer in self.answers:
            if answer.level == level:
                return answer
        raise KeyError(f"{level} was not requested. The requested levels are {', '.join(answer.level for answer in self.answers)}")

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """Everything that violates a level, in the order of the answers."""
        return tuple(anomaly for answer in self.answers for anomaly in answer.anomalies)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``steadfast check --format json`` prints, as a dict."""
        return json.loads(self._native.render("json"))

    def to_json(self) -> str:
        """Return what ``steadfast check --format json`` prints. Its ``verdict`` is about the levels, not about the objectives."""
        return self._native.render("json").rstrip("\n")

    def to_junit(self) -> str:
        """Return a JUnit test suite, with a test case for each level."""
        return self._native.render("junit")

    def to_sarif(self) -> str:
        """Return SARIF 2.1.0, for code scanning."""
        return self._native.render("sarif")

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return the page that explains the verdict, and write it to a file if one is named.

        Parameters
        ----------
        path : path, optional
            The file. It is written beside and renamed, so that nobody sees half of it.

        Returns
        -------
        str
            The page: one HTML file that needs nothing else.
        """
        page = self._native.render("html")
        if path is not None:
            _write_whole(Path(path), page)
        return page

    def to_pandas(self) -> pandas.DataFrame:
        """Return a data frame with a row for each anomaly, and one for each level without any.

        Columns: ``history``, ``level``, ``verdict``, ``reason``, ``method``, ``seconds``, ``anomaly``, ``key``,
        ``operations``, ``text``. Needs pandas.
        """
        import pandas

        rows = []
        for answer in self.answers:
            shared = {
                "history": self.history,
                "level": answer.level,
                "verdict": answer.verdict,
                "reason": answer.reason,
                "method": answer.method,
                "seconds": answer.seconds,
            }
            none = {"anomaly": None, "key": None, "operations": [], "text": None}
            told = [
                {"anomaly": one.type, "key": one.key, "operations": list(one.operations), "text": one.text}
                for one in answer.anomalies
            ]
            rows.extend({**shared, **one} for one in told or [none])
        columns = "history level verdict reason method seconds anomaly key operations text".split()
        return pandas.DataFrame(rows, columns=columns)

    def __str__(self) -> str:
        return self._native.render("text").rstrip("\n")

    def __repr__(self) -> str:
        levels = ", ".join(f"{answer.level} {answer.verdict}" for answer in self.answers)
        return f"<Report {self.history!r}: {self.verdict} ({levels})>"

    def _repr_html_(self) -> str:
        # A frame of its own: the page's styles and scripts are about the page.
        page = html.escape(self.to_html(), quote=True)
        return (
            f'<iframe title="steadfast: {html.escape(self.verdict)}" srcdoc="{page}" sandbox="allow-scripts" '
            'style="width:100%;height:36em;border:1px solid #8888"></iframe>'
        )


def _write_whole(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
