//! Evidence that is a handful of named operations, as it stands in a file: one table, which writing and reading both
//! follow, so that neither can forget a field.
//!
//! The types of the file are the file's own; [`mirrored!`] makes them, and both translations, from a list of the fields
//! and of how each is told: [`Op`] as the number of an operation, [`Json`] as the JSON that it is, …

use super::read::Reader;
use super::write::json;
use histories::{History, OpId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::marker::PhantomData;

/// How something is told in a file.
pub(super) trait Told {
    /// What it is here.
    type Own;
    /// What it is there.
    type File: Serialize + DeserializeOwned;

    fn tell(own: &Self::Own, history: &History) -> Self::File;
    fn read(file: Self::File, reader: &Reader<'_>) -> Result<Self::Own, String>;
}

/// An operation, by the index of its invocation.
pub(super) struct Op;

impl Told for Op {
    type Own = OpId;
    type File = u64;

    fn tell(own: &OpId, history: &History) -> u64 {
        history.index(*own)
    }

    fn read(file: u64, reader: &Reader<'_>) -> Result<OpId, String> {
        reader.op(file)
    }
}

/// Text that is JSON, as what it says.
pub(super) struct Json;

impl Told for Json {
    type Own = String;
    type File = Value;

    fn tell(own: &String, _: &History) -> Value {
        json(own)
    }

    fn read(file: Value, _: &Reader<'_>) -> Result<String, String> {
        Ok(file.to_string())
    }
}

/// A sum that may be beyond what numbers in JSON can be relied on for: then as text.
pub(super) struct Sum;

impl Told for Sum {
    type Own = i128;
    type File = Value;

    fn tell(own: &i128, _: &History) -> Value {
        i64::try_from(*own).map_or_else(|_| Value::from(own.to_string()), Value::from)
    }

    fn read(file: Value, _: &Reader<'_>) -> Result<i128, String> {
        let text = file.as_str().map_or_else(|| file.to_string(), str::to_owned);
        text.parse().map_err(|_| format!("{file} is no whole number"))
    }
}

/// As it is.
pub(super) struct Plain<T>(PhantomData<T>);

impl<T: Clone + Serialize + DeserializeOwned> Told for Plain<T> {
    type Own = T;
    type File = T;

    fn tell(own: &T, _: &History) -> T {
        own.clone()
    }

    fn read(file: T, _: &Reader<'_>) -> Result<T, String> {
        Ok(file)
    }
}

/// One or none, as `null`.
pub(super) struct Some<T>(PhantomData<T>);

impl<T: Told> Told for Some<T> {
    type Own = Option<T::Own>;
    type File = Option<T::File>;

    fn tell(own: &Self::Own, history: &History) -> Self::File {
        own.as_ref().map(|own| T::tell(own, history))
    }

    fn read(file: Self::File, reader: &Reader<'_>) -> Result<Self::Own, String> {
        file.map(|file| T::read(file, reader)).transpose()
    }
}

/// Several.
pub(super) struct Many<T>(PhantomData<T>);

impl<T: Told> Told for Many<T> {
    type Own = Vec<T::Own>;
    type File = Vec<T::File>;

    fn tell(own: &Self::Own, history: &History) -> Self::File {
        own.iter().map(|own| T::tell(own, history)).collect()
    }

    fn read(file: Self::File, reader: &Reader<'_>) -> Result<Self::Own, String> {
        file.into_iter().map(|file| T::read(file, reader)).collect()
    }
}

/// The file's type of one of the checker's, and both ways between them.
macro_rules! mirrored {
    ($(#[$about:meta])* $file:ident of $own:ident; $($variant:ident { $($field:ident: $how:ty),* })*) => {
        $(#[$about])*
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(tag = "because", rename_all = "kebab-case")]
        enum $file {
            $($variant { $($field: <$how as Told>::File),* },)*
        }

        impl $file {
            fn of(own: &$own, history: &histories::History) -> Self {
                match own {
                    $($own::$variant { $($field),* } => {
                        Self::$variant { $($field: <$how as Told>::tell($field, history)),* }
                    })*
                }
            }

            fn read(self, reader: &Reader<'_>) -> Result<$own, String> {
                Ok(match self {
                    $(Self::$variant { $($field),* } => {
                        $own::$variant { $($field: <$how as Told>::read($field, reader)?),* }
                    })*
                })
            }
        }
    };
}

pub(super) use mirrored;
