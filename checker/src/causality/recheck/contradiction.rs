//! A contradiction: does each link follow from the history, and can they really not be together?

use super::records::{Records, Source, read, written};
use crate::Level;
use crate::causality::{Contradiction, Inferred, Link, Why};
use histories::OpId;

pub(super) fn check(records: &Records<'_>, level: Level, found: &Contradiction) -> Result<(), String> {
    let by_session = matches!(level, Level::CausalMemory | Level::Pram);
    let mentions = found.links.iter().chain(found.inferred.iter().flat_map(|inferred| &inferred.path));
    for link in mentions {
        for op in [link.from, link.to] {
            if records.took_effect.binary_search(&op).is_err() {
                return Err(format!("operation {} may not have taken effect", records.history.index(op)));
            }
        }
    }
    let case = Case { records, level, found };
    for (at, inferred) in found.inferred.iter().enumerate() {
        case.inferred(inferred, if by_session { at } else { 0 })?;
    }
    let usable = if level == Level::Causal { found.inferred.len().min(1) } else { found.inferred.len() };
    let (from, to) = case.path(&found.links, usable)?;
    let used = found.links.iter().filter(|link| matches!(link.why, Why::Inferred(_))).count();
    if level == Level::Causal && used > 1 {
        return Err("weak causal consistency forbids only what one read shows by itself".to_owned());
    }
    if from == to {
        return Ok(());
    }
    case.owned(to)?;
    if used > 0 && !by_session {
        return Err("only what a read had seen comes before it".to_owned());
    }
    let (write, last) = (records.history.operation(from), records.history.operation(to));
    let wrote = written(&write).is_some() && write.key == last.key;
    match records.source(to) {
        Some(Source::Initial) if wrote => Ok(()),
        _ => Err("the links are no circle, and do not end at a read of the initial value".to_owned()),
    }
}

struct Case<'a> {
    records: &'a Records<'a>,
    level: Level,
    found: &'a Contradiction,
}

impl Case<'_> {
    /// Where a path begins and ends, if each of its links follows; of what is inferred only the first ones count.
    fn path(&self, links: &[Link], usable: usize) -> Result<(OpId, OpId), String> {
        let (Some(first), Some(last)) = (links.first(), links.last()) else {
            return Err("a path without links".to_owned());
        };
        if links.windows(2).any(|pair| pair[0].to != pair[1].from) {
            return Err("the links do not hang together".to_owned());
        }
        links.iter().try_for_each(|link| self.link(link, usable))?;
        Ok((first.from, last.to))
    }

    fn link(&self, link: &Link, usable: usize) -> Result<(), String> {
        let follows = match link.why {
            Why::Session => self.records.in_session(link.from, link.to),
            Why::ReadFrom => {
                if self.level == Level::Pram {
                    self.owned(link.to)?;
                }
                self.records.source(link.to) == Some(Source::Write(link.from))
            }
            Why::Inferred(at) => {
                let inferred = self.found.inferred[..usable].get(at as usize);
                inferred.is_some_and(|it| (it.earlier, it.later) == (link.from, link.to))
            }
        };
        let index = |op| self.records.history.index(op);
        if follows {
            Ok(())
        } else {
            Err(format!(
                "operation {} need not come before operation {}: {:?}",
                index(link.from),
                index(link.to),
                link.why
            ))
        }
    }

    /// That what is inferred follows from a read, and from what is inferred before it.
    fn inferred(&self, inferred: &Inferred, usable: usize) -> Result<(), String> {
        self.owned(inferred.read)?;
        let operation = |op| self.records.history.operation(op);
        let (earlier, reader) = (operation(inferred.earlier), operation(inferred.read));
        let ends = self.path(&inferred.path, usable)?;
        let right = ends == (inferred.earlier, inferred.read)
            && earlier.id != reader.id
            && earlier.id != inferred.later
            && earlier.key == reader.key
            && written(&earlier).is_some()
            && self.records.source(reader.id) == Some(Source::Write(inferred.later));
        right.then_some(()).ok_or_else(|| "what is inferred does not follow from the read".to_owned())
    }

    /// In the view of a session only its own reads say something.
    fn owned(&self, op: OpId) -> Result<(), String> {
        let operation = self.records.history.operation(op);
        let own = match self.level {
            Level::CausalMemory | Level::Pram => self.found.session == Some(operation.session),
            _ => true,
        };
        (own && read(&operation).is_some())
            .then_some(())
            .ok_or_else(|| "a read that the session did not make".to_owned())
    }
}
