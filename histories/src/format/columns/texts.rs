//! Columns of integers or texts of any width, for the fast path.

use super::super::chunk::LocalId;
use super::super::datum::write_quoted;
use crate::Id;
use crate::intern::HashedNames;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, LargeStringArray, StringArray, StringViewArray};
use arrow_schema::DataType;
use std::borrow::Cow;
use std::sync::{Arc, Mutex};

/// A column of integers that fit into signed 64 bits.
pub(super) struct IntegerColumn<'a> {
    values: Cow<'a, [i64]>,
    /// The column, unless no row is null.
    nullable: Option<&'a dyn Array>,
}

impl<'a> IntegerColumn<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        fn widen<T: ArrowPrimitiveType<Native: Into<i64>>>(array: &dyn Array) -> Cow<'static, [i64]> {
            Cow::Owned(array.as_primitive::<T>().values().iter().map(|&value| value.into()).collect())
        }
        let values = match array.data_type() {
            DataType::Int64 => Cow::Borrowed(&array.as_primitive::<Int64Type>().values()[..]),
            DataType::Int32 => widen::<Int32Type>(array),
            DataType::Int16 => widen::<Int16Type>(array),
            DataType::Int8 => widen::<Int8Type>(array),
            DataType::UInt32 => widen::<UInt32Type>(array),
            DataType::UInt16 => widen::<UInt16Type>(array),
            DataType::UInt8 => widen::<UInt8Type>(array),
            _ => return None,
        };
        Some(Self { values, nullable: Some(array).filter(|array| array.null_count() > 0) })
    }

    pub(super) fn get(&self, row: usize) -> Option<i64> {
        self.nullable.is_none_or(|array| array.is_valid(row)).then(|| self.values[row])
    }

    /// One integer of a column that is read only once; `None` if the column has another type. The row is not null.
    pub(super) fn of_one(array: &dyn Array, row: usize) -> Option<i64> {
        Some(match array.data_type() {
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
            DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
            DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
            DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
            DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
            _ => return None,
        })
    }
}

/// The number of no text.
const NO_TEXT: usize = usize::MAX;

/// A column of texts, plain or as indexes into a dictionary.
pub(super) enum TextColumn<'a> {
    Plain(PlainTexts<'a>),
    /// The number of each row's text in the dictionary, and [`NO_TEXT`] for null.
    Dictionary {
        numbers: Vec<usize>,
        texts: PlainTexts<'a>,
    },
}

/// Arrow's three layouts of texts.
pub(super) enum PlainTexts<'a> {
    Short(&'a StringArray),
    Long(&'a LargeStringArray),
    View(&'a StringViewArray),
}

impl<'a> PlainTexts<'a> {
    fn of(array: &'a dyn Array) -> Option<Self> {
        match array.data_type() {
            DataType::Utf8 => Some(Self::Short(array.as_string())),
            DataType::LargeUtf8 => Some(Self::Long(array.as_string())),
            DataType::Utf8View => Some(Self::View(array.as_string_view())),
            _ => None,
        }
    }

    fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Short(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Long(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Short(array) => array.len(),
            Self::Long(array) => array.len(),
            Self::View(array) => array.len(),
        }
    }
}

impl<'a> TextColumn<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        let Some(dictionary) = array.as_any_dictionary_opt() else {
            return PlainTexts::of(array).map(Self::Plain);
        };
        let texts = PlainTexts::of(dictionary.values())?;
        let mut numbers = if texts.len() == 0 { Vec::new() } else { dictionary.normalized_keys() };
        if array.is_nullable() {
            let nulls = (0..array.len()).filter(|&row| array.is_null(row));
            nulls.for_each(|row| {
                if let Some(number) = numbers.get_mut(row) {
                    *number = NO_TEXT
                }
            });
        }
        Some(Self::Dictionary { numbers, texts })
    }

    /// The text of a row.
    pub(super) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Plain(texts) => texts.get(row),
            Self::Dictionary { texts, .. } => texts.get(self.number(row)?),
        }
    }

    /// The number of a row's text in the dictionary, if there is one.
    pub(super) fn number(&self, row: usize) -> Option<usize> {
        match self {
            Self::Plain(_) => None,
            Self::Dictionary { numbers, .. } => numbers.get(row).copied().filter(|&number| number != NO_TEXT),
        }
    }

    /// The text of one row of a column that is read only once.
    pub(super) fn of_row(array: &'a dyn Array, row: usize) -> Option<&'a str> {
        if array.is_null(row) {
            return None;
        }
        match array.as_any_dictionary_opt() {
            Some(dictionary) => {
                let number = dictionary_number(dictionary.keys(), row)?;
                PlainTexts::of(dictionary.values())?.get(number)
            }
            None => PlainTexts::of(array)?.get(row),
        }
    }

    /// The number of texts in the dictionary.
    pub(super) fn dictionary_len(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Dictionary { texts, .. } => texts.len(),
        }
    }
}

/// The keys of the dictionary that was read last. The batches of a row group of Parquet share one, so that each of its keys is
/// hashed once and not once for each batch.
#[derive(Default)]
pub(super) struct KeyDictionary(Mutex<Option<(ArrayRef, SharedNames)>>);

/// The canonical JSON of the texts of a dictionary, by their numbers. `None` if they cannot be numbered so.
type SharedNames = Option<Arc<HashedNames<LocalId>>>;

/// A dictionary is taken as a whole if it has at most so many texts for each row of the first batch that uses it.
const SHARED_TEXTS_PER_ROW: usize = 8;

impl KeyDictionary {
    /// The names of the texts in the dictionary of a column.
    pub(super) fn names_of(&self, column: &dyn Array) -> SharedNames {
        let values = column.as_any_dictionary_opt()?.values();
        let mut last = self.0.lock().ok()?;
        if let Some((_, names)) = last.as_ref().filter(|(known, _)| Arc::ptr_eq(known, values)) {
            return names.clone();
        }
        if values.len() > column.len().saturating_mul(SHARED_TEXTS_PER_ROW) {
            return None;
        }
        let names = name_texts(values).map(Arc::new);
        *last = Some((Arc::clone(values), names.clone()));
        names
    }
}

/// Names each text by its number; `None` if one of them is null or occurs twice.
fn name_texts(values: &ArrayRef) -> Option<HashedNames<LocalId>> {
    let texts = PlainTexts::of(values.as_ref())?;
    let (mut names, mut quoted) = (HashedNames::default(), String::new());
    for number in 0..texts.len() {
        quoted.clear();
        write_quoted(texts.get(number)?, &mut quoted);
        if names.intern(&quoted) != LocalId::new(number) {
            return None;
        }
    }
    Some(names)
}

/// The index into the dictionary of a row that is not null.
fn dictionary_number(numbers: &dyn Array, row: usize) -> Option<usize> {
    match numbers.data_type() {
        DataType::UInt64 => usize::try_from(numbers.as_primitive::<UInt64Type>().value(row)).ok(),
        _ => usize::try_from(IntegerColumn::of_one(numbers, row)?).ok(),
    }
}
