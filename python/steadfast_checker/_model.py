"""Models that are written in Python."""

from __future__ import annotations

from typing import Any

__all__ = ["Model"]


class Model:
    """A sequential specification: what an object may answer when one operation happens at a time.

    Subclass it and write :meth:`initial` and :meth:`step`. States are compared and hashed, so use tuples, frozensets and
    the like, and never change a state in place.

    A step calls Python, while the models that come with this package do not: it is far slower. For registers, counters, queues, sets, stacks and locks use the name of a model instead.

    Examples
    --------
    >>> class WriteOnce(Model):
    ...     def initial(self):
    ...         return None
    ...     def step(self, state, f, value, result):
    ...         if f == "write":
    ...             return None if state is not None else (value,)
    ...         return (state,) if result in (state, ...) else None
    """

    def initial(self) -> Any:
        """Return the state before the first operation."""
        raise NotImplementedError(f"{type(self).__name__} has no method initial")

    def step(self, state: Any, f: str, value: Any, result: Any) -> tuple[Any] | None:
        """Return the state after an operation.

        Parameters
        ----------
        state
            The state before it.
        f : str
            What is done: ``"read"``.
        value
            With what; of a compare-and-set a pair.
        result
            What came back. ``...`` (Ellipsis) means that the operation did not complete, and its outcome is unknown.

        Returns
        -------
        tuple or None
            The new state in a tuple of one, or ``None`` where the object would not have answered so.
        """
        raise NotImplementedError(f"{type(self).__name__} has no method step")

    def _step(self, state: Any, f: str, value: Any, completed: bool, result: Any) -> tuple[Any] | None:
        after = self.step(state, f, value, result if completed else ...)
        if after is not None and (not isinstance(after, tuple) or len(after) != 1):
            raise TypeError(
                f"{type(self).__name__}.step returned {after!r}. Return the new state in a tuple of one, or None where "
                "the object would not have answered so."
            )
        return after
