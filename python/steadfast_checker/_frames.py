"""Data frames, brought into a form of which Arrow's interface gives every value as it was meant."""

from __future__ import annotations

from typing import Any

__all__ = ["initial_as_in_pandas", "of_pandas", "of_polars", "package_of"]


def package_of(history: Any) -> str:
    """Return ``"pandas"`` or ``"polars"`` for a data frame of theirs. A single column is a :class:`TypeError`."""
    kind = type(history)
    package = kind.__module__.partition(".")[0]
    if package in ("pandas", "polars") and kind.__name__ == "Series":
        raise TypeError(f"a history is a data frame with a row for each event, not a {package} Series, which is one column")
    return package if kind.__name__ == "DataFrame" else ""


def of_polars(frame: Any) -> Any:
    """Give a type to what is always null: Arrow's interface cannot pass on a column of polars that has none."""
    import polars

    def with_type(dtype: Any) -> Any:
        if dtype == polars.Null:
            return polars.String()
        if isinstance(dtype, polars.List):
            return polars.List(with_type(dtype.inner))
        if isinstance(dtype, polars.Struct):
            return polars.Struct([polars.Field(field.name, with_type(field.dtype)) for field in dtype.fields])
        return dtype

    typed = {name: with_type(dtype) for name, dtype in frame.schema.items()}
    changed = {name: dtype for name, dtype in typed.items() if dtype != frame.schema[name]}
    return frame.cast(changed) if changed else frame


def of_pandas(frame: Any) -> Any:
    """Return a table of Arrow, or a list of rows if Arrow has no type for the cells of a column."""
    frame = with_integers(frame)
    try:
        import pyarrow
    except ImportError:
        return _rows_of_pandas(frame)
    try:
        return pyarrow.Table.from_pandas(frame, preserve_index=False)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return _rows_of_pandas(frame)


def with_integers(frame: Any) -> Any:
    """Turn each column of floats that are all whole numbers back into integers.

    pandas makes floats of a column of integers that lacks some. Most columns of a history do, because only an invocation or only a
    completion has the field. Without this, a read of 0.0 would not be one of the 0 that was written, and a version of 2.0 not an integer.
    """
    import pandas

    whole = None
    for place, dtype in enumerate(frame.dtypes):
        if not pandas.api.types.is_float_dtype(dtype):
            continue
        floats = _floats(frame.iloc[:, place])
        if not _are_whole(floats):
            continue
        _refuse_rounded(str(frame.columns[place]), dtype, floats)
        if whole is None:
            whole = frame.copy(deep=False)
        whole.isetitem(place, pandas.Series(floats, index=frame.index).astype("Int64"))
    return frame if whole is None else whole


def initial_as_in_pandas(frame: Any, initial: Any) -> Any:
    """Give an initial value the type that the values of the frame are read with. Otherwise, a read of 0.0 would not be one of the initial 0."""
    import pandas

    if "value" not in frame.columns or isinstance(initial, bool) or not isinstance(initial, (int, float)):
        return initial
    values = frame["value"]
    if not isinstance(values, pandas.Series) or not pandas.api.types.is_float_dtype(values.dtype):
        return initial
    if not _are_whole(_floats(values)):
        return float(initial)
    return int(initial) if float(initial).is_integer() else initial


def _floats(column: Any) -> Any:
    """Return a column as an array of NumPy, with NaN for what is missing, also if pandas keeps it in an array of Arrow."""
    return column.to_numpy(dtype="float64", na_value=float("nan"))


def _are_whole(floats: Any) -> bool:
    import numpy

    return bool((numpy.isnan(floats) | (numpy.isfinite(floats) & (numpy.floor(floats) == floats))).all())


def _refuse_rounded(name: str, dtype: Any, floats: Any) -> None:
    """Refuse integers that are too large for floats of this type: they may have been others."""
    import numpy

    bits = numpy.finfo(getattr(dtype, "numpy_dtype", dtype)).nmant + 1
    rounded = floats[numpy.abs(floats) >= 2.0**bits]
    if len(rounded) > 0:
        raise ValueError(
            f"column {name!r} has the type {dtype}, which rounds integers from 2^{bits} on, such as {int(rounded[0])}. "
            "pandas makes floats of integers if some are missing, and convert_dtypes() brings none of them back. Keep them: "
            f"pandas.DataFrame(events, dtype=object).astype({{{name!r}: 'Int64'}}). Or pass the list of dicts itself."
        )


def _rows_of_pandas(frame: Any) -> list[dict[str, Any]]:
    columns = [str(name) for name in frame.columns]
    missing = [name for name in ("process", "type", "f") if name not in columns]
    if missing:
        raise ValueError(
            f"table has no column {missing[0]!r}, which every event needs. Its columns are: {', '.join(columns)}."
        )

    def is_nothing(value: Any) -> bool:
        return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value

    rows = []
    for row in frame.itertuples(index=False, name=None):
        cells = zip(columns, row)
        rows.append({name: cell for name, cell in cells if isinstance(cell, (list, dict)) or not is_nothing(cell)})
    return rows
