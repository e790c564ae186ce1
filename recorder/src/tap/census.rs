//! Counts of what was passed on without being recorded, by method and shape of the path.
//!
//! Nobody can trust a recording without knowing what it left out. A path with a number or a long name in it would be a line for each
//! visitor, and may be a secret, so such parts of a path are shown as `*`.

use super::unrecorded::Unrecorded;
use std::collections::{BTreeMap, HashMap};

/// The most shapes that are told apart. Requests of later shapes are counted together.
const SHAPES_MAX: usize = 500;
/// The longest part of a path that is shown as it is.
const PART_CHARS_MAX: usize = 24;
/// The most parts of a path that are shown.
const PARTS_MAX: usize = 8;

/// Requests of one method and shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PassedShape {
    /// The method and the path, with `*` in place of its variable parts.
    pub shape: String,
    /// The number of requests.
    pub count: u64,
    /// Whether such a request may change a session, so that sessions that send it are left.
    pub may_change: bool,
}

/// What was passed on without being recorded.
#[derive(Debug, Default)]
pub(super) struct PassedCensus {
    shapes: HashMap<String, (u64, bool)>,
    others: u64,
    unrecorded: BTreeMap<Unrecorded, u64>,
    parts: u64,
}

impl PassedCensus {
    /// Counts a request that no step fits.
    pub(super) fn count_unrecognised(&mut self, method: &str, path: &str, may_change: bool) {
        let shape = format!("{method} {}", show_shape(path));
        if let Some((count, changes)) = self.shapes.get_mut(&shape) {
            *count += 1;
            *changes |= may_change;
        } else if self.shapes.len() < SHAPES_MAX {
            self.shapes.insert(shape, (1, may_change));
        } else {
            self.others += 1;
        }
    }

    /// Counts a request that fits a step and is not recorded.
    pub(super) fn count_unrecorded(&mut self, why: Unrecorded) {
        *self.unrecorded.entry(why).or_default() += 1;
    }

    /// Counts a request that is part of a step, such as the page with a login form.
    pub(super) fn count_part(&mut self) {
        self.parts += 1;
    }

    pub(super) fn part_count(&self) -> u64 {
        self.parts
    }

    pub(super) fn unrecorded_counts(&self) -> Vec<(Unrecorded, u64)> {
        self.unrecorded.iter().map(|(why, count)| (*why, *count)).collect()
    }

    /// The shapes, the most frequent first, and the number of requests of further shapes.
    pub(super) fn list_shapes(&self) -> (Vec<PassedShape>, u64) {
        let shapes = self.shapes.iter().map(|(shape, &(count, may_change))| PassedShape {
            shape: shape.clone(),
            count,
            may_change,
        });
        let mut shapes: Vec<PassedShape> = shapes.collect();
        shapes.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.shape.cmp(&b.shape)));
        (shapes, self.others)
    }
}

/// A path with `*` in place of what looks like an id, without its query.
fn show_shape(path: &str) -> String {
    let mut parts = path.split('/');
    let mut shown: Vec<String> = parts.by_ref().take(PARTS_MAX + 1).map(show_part).collect();
    if parts.next().is_some() {
        shown.push("…".to_owned());
    }
    shown.join("/")
}

fn show_part(part: &str) -> String {
    let plain = |sign: char| sign.is_ascii_alphabetic() || "-_.".contains(sign);
    let is_name = part.len() <= PART_CHARS_MAX && part.chars().all(plain);
    // A version, such as v1 in /api/v1/cart, is a name.
    let is_version = part.strip_prefix('v').is_some_and(|digits| {
        (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if is_name || is_version { part.to_owned() } else { "*".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_counted_by_shape_and_show_no_ids() {
        assert_eq!(show_shape("/api/v1/users/17/cart.json"), "/api/v1/users/*/cart.json");
        assert_eq!(show_shape("/"), "/");
        assert_eq!(show_shape("/s/deadbeefdeadbeefdeadbeefdeadbeef"), "/s/*");
        assert_eq!(show_shape("/a/b/c/d/e/f/g/h/i"), "/a/b/c/d/e/f/g/h/…");
        let mut census = PassedCensus::default();
        for number in 0..3 {
            census.count_unrecognised("GET", &format!("/item/{number}"), false);
        }
        census.count_unrecognised("POST", "/beacon", true);
        let shape = |shape: &str, count, may_change| PassedShape { shape: shape.into(), count, may_change };
        assert_eq!(
            census.list_shapes(),
            (vec![shape("GET /item/*", 3, false), shape("POST /beacon", 1, true)], 0)
        );
        // A scanner that asks for ever new paths costs a bounded number of lines.
        for number in 0..2000 {
            let letters: String =
                format!("{number:04}").bytes().map(|digit| char::from(b'a' + digit - b'0')).collect();
            census.count_unrecognised("GET", &format!("/{letters}"), false);
        }
        let (shapes, others) = census.list_shapes();
        assert_eq!((shapes.len(), others), (SHAPES_MAX, 2000 - (SHAPES_MAX as u64 - 2)));
    }
}
