//! Undoes the faults that a killed run left behind.

use super::Description;
use crate::stores::yours::StackNemesis;
use crate::system::{Outstanding, run_in_machine_network};

impl Description {
    /// Undoes a fault that a killed run left behind, with the commands of the file.
    pub fn undo_left(&self, left: &Outstanding) -> Result<(), String> {
        let undoes = StackNemesis::undo_left(self.yours().clone(), &left.fault, &left.node);
        run_in_machine_network(undoes).map_err(|why| format!("{left} could not be undone: {why}"))
    }
}
