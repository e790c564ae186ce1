//! Judges the window: the engines and the verifier of a check decide, and a small history shows each violation.

use super::evidence::WindowJudge;
use super::levels::MonitoredLevel;
use super::window::WindowOperation;
use super::{MonitorError, ObjectMonitor, UnknownFrom};
use claims::{Level, Property};

impl ObjectMonitor {
    /// Judges the levels of these kinds (linearizability, session guarantees) on some objects.
    pub(super) fn judge_objects(&mut self, group: &[u32], kinds: (bool, bool)) -> Result<(), MonitorError> {
        let wanted = |told: &&MonitoredLevel| {
            let of_kind = if told.level == Level::Linearizable { kinds.0 } else { kinds.1 };
            of_kind && told.violation.is_none()
        };
        let asked: Vec<Property> =
            self.levels.iter().filter(wanted).map(|told| Property::Level(told.level)).collect();
        if group.is_empty() || asked.is_empty() {
            return Ok(());
        }
        let operations = self.window_operations(group);
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
        Ok(())
    }

    /// The kept operations of some objects, in order of invocation.
    fn window_operations(&self, group: &[u32]) -> Vec<WindowOperation<'_>> {
        let mut operations: Vec<WindowOperation<'_>> = Vec::new();
        for object in group.iter().map(|&at| &self.objects[at as usize]) {
            let kept = object.operations.iter().filter(|operation| !operation.is_void());
            operations.extend(kept.map(|operation| WindowOperation { key: &object.name, operation }));
        }
        if group.len() > 1 {
            operations.sort_unstable_by_key(|told| told.operation.invoked);
        }
        operations
    }
}
