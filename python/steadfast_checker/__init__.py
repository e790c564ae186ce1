"""Checks what clients saw of a store.

``steadfast_checker`` reads a *history* (what clients asked of a store and what they got back) and decides whether any
execution that a consistency level permits could have produced it. If none could, it shows the few operations that rule it
out. The engine is the one of the program ``steadfast``; so are the names, the limits and the texts.

>>> import steadfast_checker as steadfast
>>> report = steadfast.check([
...     {"process": 0, "type": "invoke", "f": "write", "key": "cart", "value": 1},
...     {"process": 0, "type": "ok", "f": "write", "key": "cart", "value": 1},
...     {"process": 1, "type": "invoke", "f": "read", "key": "cart", "value": None},
...     {"process": 1, "type": "ok", "f": "read", "key": "cart", "value": None},
... ], consistency="linearizable")
>>> report.verdict
'violated'
>>> report.anomalies[0].type
'stale-read'
"""

from __future__ import annotations

from ._check import History, check, read
from ._model import Model
from ._native import __version__, names as _names
from ._recorder import Operation, Recorder
from ._report import Anomaly, Answer, Report

__all__ = [
    "Anomaly",
    "Answer",
    "History",
    "Model",
    "Operation",
    "Recorder",
    "Report",
    "__version__",
    "check",
    "levels",
    "models",
    "read",
]


def levels() -> dict[str, str]:
    """Return the names that ``consistency`` accepts, with a description of each.

    Returns
    -------
    dict of str to str
        ``{"linearizable": "...", ...}``
    """
    return dict(_names("properties"))


def models() -> dict[str, str]:
    """Return the names that ``model`` accepts, with a description of each.

    Returns
    -------
    dict of str to str
        ``{"register": "...", ...}``
    """
    return dict(_names("models"))
