//! Undoes the faults that a killed run left behind.

use super::Description;
use crate::stores::yours::StackNemesis;
use crate::system::{OutstandingFault, run_in_machine_network};

impl Description {
    /// Undoes a fault that a killed run left behind, with the commands of the file.
    pub fn undo_left(&self, left: &OutstandingFault) -> Result<(), String> {
        let undoes = StackNemesis::undo_leftover_fault(self.yours().clone(), &left.fault, &left.node);
        run_in_machine_network(undoes).map_err(|why| format!("{left} could not be undone: {why}"))
    }
}
