//! The argument in the lanes: an order of the operations as points on their bars, the state after each, arrows from point to
//! point, and the contradiction at the end.
//!
//! The order is the longest one that the object accepts, from the dead ends of the core. Each point lies on the bar of its
//! operation and to the right of the point before, which is possible because the order extends real time. The steps can be
//! taken forwards and backwards; without script all of them are shown.

use super::html::Html;
use super::stretch::{self, OperationBar, StretchLayout};
use crate::report::CheckFindings;
use crate::report::describe;
use crate::report::sentence::value_written;
use checker::Core;
use histories::{History, OpId};

/// The most dead ends of a core that are compared.
const DEAD_ENDS_MAX: usize = 8;
/// An order with more steps is not drawn: the list above the picture has it.
const STEPS_MAX: usize = 12;
/// The distance between two points on one bar.
const POINT_GAP: f64 = 12.0;

/// The argument about one anomaly.
#[derive(Default)]
pub(super) struct LaneArgument {
    /// The operations in the order that the object accepts.
    order: Vec<OpId>,
    /// The operations that contradict the order, with the reason.
    refused: Vec<(OpId, String)>,
}

impl LaneArgument {
    /// The argument of a core: the longest order that the object accepts, and the operations that it then refuses.
    pub(super) fn from_core(findings: &CheckFindings<'_>, core: &Core) -> Self {
        let question = findings.question.about_objects(findings.history);
        let ends = verifier::dead_ends(findings.history, &question, core, DEAD_ENDS_MAX).unwrap_or_default();
        let longest =
            ends.into_iter().filter(|end| end.order.len() <= STEPS_MAX).max_by_key(|end| end.order.len());
        longest.map_or_else(Self::default, |end| Self {
            order: end.order,
            refused: end.refused.into_iter().map(|(id, why)| (id, why.to_owned())).collect(),
        })
    }

    /// The argument of a finding: its first operation contradicts the others.
    pub(super) fn from_finding(operations: &[OpId], text: &str) -> Self {
        let refused = operations.first().map(|&id| (id, text.to_owned()));
        Self { order: Vec::new(), refused: refused.into_iter().collect() }
    }

    /// The number of steps: one per operation of the order, and the contradiction.
    pub(super) fn steps(&self) -> usize {
        self.order.len() + usize::from(!self.refused.is_empty())
    }

    /// Draws the points, the arrows and the contradiction. `y_of` gives the middle of a bar.
    pub(super) fn draw_steps(
        &self,
        history: &History,
        stretch: &StretchLayout,
        y_of: impl Fn(&OperationBar) -> f64,
        html: &mut Html,
    ) {
        let bar = |id: OpId| stretch.bars.iter().find(|bar| bar.id == id);
        let mut before: Option<(f64, f64)> = None;
        for (&id, step) in self.order.iter().zip(1..) {
            let Some(bar) = bar(id) else { continue };
            let least = before.map_or(bar.from, |(x, _)| x + POINT_GAP);
            let point = (least.clamp(bar.from + 4.0, (bar.to - 4.0).max(bar.from + 4.0)), y_of(bar));
            html.open_tag("g", &[("class", &"step"), ("data-step", &step)]);
            if let Some(from) = before {
                draw_arrow(from, point, html);
            }
            html.add_leaf("title", &[], format!("step {step}: {}", describe::operation_words(history, id)));
            let (x, y) = (format!("{:.1}", point.0), format!("{:.1}", point.1 + 7.0));
            html.add_empty("circle", &[("class", &"point"), ("cx", &x), ("cy", &y), ("r", &"4.5")]);
            if let Some(state) = value_written(&history.operation(id)) {
                let text = format!("= {}", describe::format_value(history.value_text(state)));
                // The next arrow leads to the right, so the state is at the left where there is room.
                let is_left = point.0 - 7.0 * text.chars().count() as f64 > stretch::LEFT;
                let (x, anchor) = if is_left { (point.0 - 7.0, "end") } else { (point.0 + 7.0, "start") };
                let (x, y) = (format!("{x:.1}"), format!("{:.1}", point.1 + 20.0));
                html.add_leaf(
                    "text",
                    &[("class", &"state"), ("x", &x), ("y", &y), ("text-anchor", &anchor)],
                    text,
                );
            }
            html.close_tag("g");
            before = Some((point.0, point.1 + 7.0));
        }
        let last = self.order.len() + 1;
        for (id, why) in &self.refused {
            let Some(bar) = bar(*id) else { continue };
            let (x, y) = (bar.to + 9.0, y_of(bar));
            html.open_tag("g", &[("class", &"step refused"), ("data-step", &last)]);
            if let Some(from) = before {
                draw_arrow(from, (x, y), html);
            }
            html.add_leaf("title", &[], format!("contradiction: {}", super::clip_text(why)));
            let cross = format!("M{:.1} {:.1} l10 10 m0 -10 l-10 10", x - 5.0, y - 5.0);
            html.add_empty("path", &[("class", &"cross"), ("d", &cross)]);
            html.close_tag("g");
        }
    }

    /// Writes the steps as text, and the buttons that move between them.
    pub(super) fn write_controls(&self, history: &History, html: &mut Html) {
        if self.order.is_empty() {
            return;
        }
        html.open_tag("div", &[("class", &"steps"), ("data-steps", &self.steps())]);
        html.add_leaf("button", &[("type", &"button"), ("data-move", &"-1"), ("hidden", &"hidden")], "Back");
        html.add_leaf(
            "button",
            &[("type", &"button"), ("data-move", &"1"), ("hidden", &"hidden")],
            "Next step",
        );
        html.open_tag("ol", &[]);
        for (&id, step) in self.order.iter().zip(1..) {
            let state = value_written(&history.operation(id)).map(|value| {
                format!("; the object then holds {}", describe::format_value(history.value_text(value)))
            });
            let text = format!("{}{}", describe::operation_words(history, id), state.unwrap_or_default());
            html.add_leaf("li", &[("data-step", &step)], text);
        }
        for (id, why) in &self.refused {
            let text = format!("{} cannot come next: {why}", describe::operation_words(history, *id));
            html.add_leaf("li", &[("data-step", &(self.order.len() + 1)), ("class", &"refused")], text);
        }
        html.close_tag("ol");
        html.close_tag("div");
    }
}

/// Draws an arrow from one point to the next.
fn draw_arrow(from: (f64, f64), to: (f64, f64), html: &mut Html) {
    let path = format!("M{:.1} {:.1} L{:.1} {:.1}", from.0, from.1, to.0, to.1);
    html.add_empty("path", &[("class", &"link"), ("d", &path), ("marker-end", &"url(#arrow-order)")]);
}
