//! The careful path: reads one cell of a table as a value.

use super::super::datum::{DEPTH_MAX, Datum, DatumKind, Flaw, I64_RANGE};
use super::super::json;
use super::texts::TextColumn;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float32Type, Float64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use std::borrow::Cow;

/// Whether values of a type can be read.
pub(super) fn is_readable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Timestamp(..)
        | DataType::Duration(_) => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_readable(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_readable(field.data_type())),
        DataType::Map(entries, _) => is_readable(entries.data_type()),
        DataType::Dictionary(_, values) => {
            matches!(values.as_ref(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        }
        _ => false,
    }
}

/// The value of a cell; `place` is its row.
pub(super) fn datum<'a>(array: &'a dyn Array, row: usize, place: usize) -> Datum<'a> {
    Datum::new(place, kind(array, row, place, 0))
}

/// The value in the JSON of a cell.
pub(super) fn json_datum<'a>(text: &'a str, place: usize) -> Result<Datum<'a>, Flaw> {
    let mut datum = json::parse_json(text, 0).map_err(|flaw| Flaw { at: place, ..flaw })?;
    move_to(&mut datum, place);
    Ok(datum)
}

/// Gives each part of a value the place of its row. The JSON reader bounds the depth.
fn move_to(datum: &mut Datum<'_>, place: usize) {
    datum.at = place;
    match &mut datum.kind {
        DatumKind::List(items) | DatumKind::Set(items) => {
            items.iter_mut().for_each(|item| move_to(item, place))
        }
        DatumKind::Map(entries) => entries.iter_mut().for_each(|(name, value)| {
            move_to(name, place);
            move_to(value, place);
        }),
        _ => {}
    }
}

/// The depth is that of the schema, and is bounded as well.
fn kind<'a>(array: &'a dyn Array, row: usize, place: usize, depth: usize) -> DatumKind<'a> {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return DatumKind::Null;
    }
    if depth > DEPTH_MAX {
        return DatumKind::Odd { text: "a value".into(), expected: "values that are nested at most 64 deep" };
    }
    if let Some(integers) = super::texts::IntegerColumn::of_one(array, row) {
        return DatumKind::Int(integers);
    }
    match array.data_type() {
        DataType::Boolean => DatumKind::Bool(array.as_boolean().value(row)),
        DataType::UInt64 => {
            let value = array.as_primitive::<UInt64Type>().value(row);
            match i64::try_from(value) {
                Ok(value) => DatumKind::Int(value),
                Err(_) => DatumKind::Odd { text: value.to_string().into(), expected: I64_RANGE },
            }
        }
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(..) | DataType::Duration(_) => nanoseconds(array, row),
        DataType::List(_) => items(array.as_list::<i32>().values(), list_range(array, row), place, depth),
        DataType::LargeList(_) => {
            items(array.as_list::<i64>().values(), list_range(array, row), place, depth)
        }
        DataType::FixedSizeList(..) => {
            let list = array.as_fixed_size_list();
            let (start, len) = (list.value_offset_at(row), list.value_length() as usize);
            items(list.values(), start..start + len, place, depth)
        }
        DataType::Struct(_) => {
            let array = array.as_struct();
            let fields = array.fields().iter().zip(array.columns());
            let at = |kind| Datum::new(place, kind);
            let entry = |(field, column): (&'a arrow_schema::FieldRef, &'a ArrayRef)| {
                let name = DatumKind::Text(Cow::Borrowed(field.name().as_str()));
                (at(name), at(kind(column, row, place, depth + 1)))
            };
            DatumKind::Map(fields.map(entry).collect())
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let offsets = map.value_offsets();
            let at = |kind| Datum::new(place, kind);
            let entries = offsets[row] as usize..offsets[row + 1] as usize;
            let entry = |entry| {
                (
                    at(kind(map.keys(), entry, place, depth + 1)),
                    at(kind(map.values(), entry, place, depth + 1)),
                )
            };
            DatumKind::Map(entries.map(entry).collect())
        }
        _ => match TextColumn::of_row(array, row) {
            Some(text) => DatumKind::Text(Cow::Borrowed(text)),
            // The layout refuses such columns.
            None => DatumKind::Odd {
                text: "a value".into(),
                expected: "a number, a text, a truth value, a list or a map",
            },
        },
    }
}

fn float(value: f64) -> DatumKind<'static> {
    match value.is_finite() {
        true => DatumKind::Float(value),
        false => DatumKind::Odd {
            text: value.to_string().into(),
            expected: "a finite number, or null for nothing",
        },
    }
}

fn list_range(array: &dyn Array, row: usize) -> std::ops::Range<usize> {
    match array.data_type() {
        DataType::List(_) => {
            let offsets = array.as_list::<i32>().value_offsets();
            offsets[row] as usize..offsets[row + 1] as usize
        }
        _ => {
            let offsets = array.as_list::<i64>().value_offsets();
            offsets[row] as usize..offsets[row + 1] as usize
        }
    }
}

fn items<'a>(
    values: &'a ArrayRef,
    range: std::ops::Range<usize>,
    place: usize,
    depth: usize,
) -> DatumKind<'a> {
    DatumKind::List(range.map(|item| Datum::new(place, kind(values, item, place, depth + 1))).collect())
}

/// Converts times to integers of nanoseconds.
fn nanoseconds(array: &dyn Array, row: usize) -> DatumKind<'static> {
    let (value, factor) = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000)
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            (array.as_primitive::<TimestampNanosecondType>().value(row), 1)
        }
        DataType::Duration(TimeUnit::Second) => {
            (array.as_primitive::<DurationSecondType>().value(row), 1_000_000_000)
        }
        DataType::Duration(TimeUnit::Millisecond) => {
            (array.as_primitive::<DurationMillisecondType>().value(row), 1_000_000)
        }
        DataType::Duration(TimeUnit::Microsecond) => {
            (array.as_primitive::<DurationMicrosecondType>().value(row), 1_000)
        }
        _ => (array.as_primitive::<DurationNanosecondType>().value(row), 1),
    };
    match value.checked_mul(factor) {
        Some(ns) => DatumKind::Int(ns),
        None => DatumKind::Odd { text: format!("{value} times {factor} ns").into(), expected: I64_RANGE },
    }
}
