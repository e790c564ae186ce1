//! The fields of a line with a meaning, as they were scanned.

use super::cursor::{LineCursor, ScannedValue};
use super::fields::LineField;
use crate::format::chunk::EventKind;
use crate::format::event::is_always_actor;
use crate::history::NOT_GIVEN;

/// Who did what a line says.
#[derive(Clone, Copy)]
pub(super) enum ScannedProcess<'a> {
    /// The number of a client.
    Client(i64),
    /// The name of an actor that is never a client. A process of any other name is left to the careful path.
    Actor(&'a str),
}

impl<'a> ScannedProcess<'a> {
    fn scan(cursor: &mut LineCursor<'a>) -> Option<Self> {
        match cursor.peek()? {
            b'"' => cursor.scan_name().filter(|name| is_always_actor(name)).map(Self::Actor),
            _ => cursor.scan_number().map(Self::Client),
        }
    }
}

/// The fields of a line with a meaning.
#[derive(Default)]
pub(super) struct ScannedFields<'a> {
    pub(super) kind: Option<EventKind>,
    pub(super) process: Option<ScannedProcess<'a>>,
    pub(super) function: Option<&'a str>,
    pub(super) value: Option<ScannedValue<'a>>,
    pub(super) key: Option<ScannedValue<'a>>,
    pub(super) session: Option<ScannedValue<'a>>,
    pub(super) version: Option<i64>,
    pub(super) time: Option<i64>,
    pub(super) index: Option<i64>,
}

/// Sets a field; none if it is set already.
pub(super) fn set_once<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

impl<'a> ScannedFields<'a> {
    /// Scans a field that is neither the value nor a note; none if it is repeated or unusual.
    pub(super) fn scan_field(&mut self, field: LineField, cursor: &mut LineCursor<'a>) -> Option<()> {
        match field {
            LineField::Kind => {
                let kind = match cursor.scan_name()? {
                    "invoke" => EventKind::Invoke,
                    "ok" => EventKind::Ok,
                    "fail" => EventKind::Fail,
                    "info" => EventKind::Info,
                    _ => return None,
                };
                set_once(&mut self.kind, kind)
            }
            LineField::Process => set_once(&mut self.process, ScannedProcess::scan(cursor)?),
            LineField::Function => {
                set_once(&mut self.function, cursor.scan_name().filter(|name| !name.is_empty())?)
            }
            LineField::Key => set_once(&mut self.key, cursor.scan_value()?),
            LineField::Session => set_once(&mut self.session, cursor.scan_value()?),
            LineField::Version => set_once(&mut self.version, cursor.scan_number()?),
            LineField::Time => set_once(&mut self.time, cursor.scan_number_or_null()?),
            LineField::Index => {
                let index = cursor.scan_number_or_null()?;
                set_once(&mut self.index, index).filter(|()| index >= 0 || index == NOT_GIVEN)
            }
            LineField::Value | LineField::Note => None,
        }
    }
}
