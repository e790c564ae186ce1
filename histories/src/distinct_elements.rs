//! A history with new names for some elements of lists.
//!
//! Where transactions appended equal elements to a list, a checker may ask whether one way to tell them apart explains the history: it
//! gives the appends, and the elements that lists show, names of their own.

use crate::{History, Id, KeyId, MicroKind, ValueId};

/// New elements. They are numbered from 0 on.
#[derive(Clone, Default, Debug)]
pub struct NewElements {
    /// The number of new elements.
    pub count: u32,
    /// Appends, as places among [`History::micros`], with their new elements.
    pub appends: Vec<(u32, u32)>,
    /// Positions of the longest list of a key ([`crate::Lists::trunk`]), with their new elements.
    pub places: Vec<(KeyId, u32, u32)>,
}

impl History {
    /// A copy in which these appends and these elements of lists have new values, which occur nowhere else. Times and events of actors
    /// are left out. Lists that are no prefixes of the longest list of their key keep their elements.
    ///
    /// # Panics
    /// If a place is none of an append, or none of a list.
    pub fn with_new_elements(&self, new: &NewElements) -> History {
        let mut history = History {
            event_count: self.event_count,
            process_names: self.process_names.clone(),
            other_functions: self.other_functions.clone(),
            sessions: self.sessions.clone(),
            keys: self.keys.clone(),
            values: self.values.clone(),
            process: self.process.clone(),
            session: self.session.clone(),
            function: self.function.clone(),
            key: self.key.clone(),
            argument: self.argument.clone(),
            result: self.result.clone(),
            invoked: self.invoked.clone(),
            completed: self.completed.clone(),
            outcome: self.outcome.clone(),
            micros: self.micros.clone(),
            lists: self.lists.clone(),
            versions: self.versions.clone(),
            notes: self.notes.clone(),
            numbering: self.numbering.clone(),
            without_real_time: self.without_real_time,
            ..History::default()
        };
        let values = history.intern_new_values(new.count);
        for &(micro, number) in &new.appends {
            let micro = &mut history.micros[micro as usize];
            assert!(micro.kind == MicroKind::Append, "only an append has an element of its own");
            micro.payload = values[number as usize].raw();
        }
        for &(key, at, number) in &new.places {
            history.lists.rename(key, at as usize, values[number as usize]);
        }
        history
    }

    /// Values that do not occur yet.
    fn intern_new_values(&mut self, count: u32) -> Vec<ValueId> {
        let mut values = Vec::with_capacity(count as usize);
        let mut number = 0_u64;
        while values.len() < count as usize {
            let before = self.values.len();
            let value = self.values.intern(&format!("\"element {number}\""));
            number += 1;
            if value.index() >= before {
                values.push(value);
            }
        }
        values
    }
}
