//! Judges the window: the engines and the verifier of a check decide, and a small history shows each violation.

use super::{CausalMonitor, MonitorError};
use crate::monitor::objects::evidence::WindowJudge;
use crate::monitor::objects::window::WindowOperation;
use crate::monitor::verdicts::UnknownFrom;
use claims::Property;

impl CausalMonitor {
    /// Judges the levels that are not violated on all operations of the window.
    pub(super) fn judge_window(&mut self) -> Result<(), MonitorError> {
        let open = self.levels.iter().filter(|told| told.violation.is_none());
        let asked: Vec<Property> = open.map(|told| Property::Level(told.level)).collect();
        if asked.is_empty() || self.window.is_empty() {
            return Ok(());
        }
        let kept = self.window.iter().filter(|entry| !entry.operation.is_void());
        let operations: Vec<WindowOperation<'_>> = kept
            .map(|entry| WindowOperation {
                key: &self.keys[entry.key as usize].name,
                operation: &entry.operation,
            })
            .collect();
        let judge = WindowJudge {
            question: &self.question,
            limits: self.limits,
            actors: &self.actors,
            latest_index: self.latest_index,
        };
        let found = judge.judge_levels(&operations, asked)?;
        for (level, found) in found {
            let at = self.levels.iter().position(|told| told.level == level).expect("it was asked");
            match found {
                Ok(violation) => {
                    self.levels[at].violation = Some(Box::new(violation));
                    self.news.push(at);
                }
                Err(reason) => {
                    let unknown = UnknownFrom { event: self.latest_index, reason, objects: 0 };
                    self.levels[at].undecided.get_or_insert(unknown);
                }
            }
        }
        self.has_phantom_read = false;
        Ok(())
    }
}
