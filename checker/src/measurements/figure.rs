//! A figure as far as it is known: exactly, between two bounds, or from one bound on.
//!
//! What a history does not tell is not rounded: a count of losses may be certain up to some operations that nobody can
//! decide, and a session that stopped asking waited *at least* so long. A figure of which nothing at all is known is no
//! [`Figure`] but the reason for it ([`super::Measured`]).

/// What is known of a figure. The true one lies between the two bounds, both included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Figure {
    /// The lower bound: finite.
    pub least: f64,
    /// The upper bound; infinite where none is known.
    pub most: f64,
}

impl Figure {
    /// A figure that is known exactly.
    pub fn exactly(figure: f64) -> Self {
        Self { least: figure, most: figure }
    }

    /// A figure between two bounds. Panics if the first is greater: a bug here.
    pub fn between(least: f64, most: f64) -> Self {
        assert!(least <= most, "a lower bound of {least} and an upper bound of {most}");
        Self { least, most }
    }

    /// A figure of which only a lower bound is known.
    pub fn at_least(least: f64) -> Self {
        Self { least, most: f64::INFINITY }
    }

    /// The figure, if it is known exactly.
    pub fn exact_value(self) -> Option<f64> {
        (self.least == self.most).then_some(self.least)
    }

    /// The upper bound, if there is one.
    pub fn upper_bound(self) -> Option<f64> {
        self.most.is_finite().then_some(self.most)
    }

    /// Whether both bounds are numbers that can be shown.
    pub(super) fn is_sound(self) -> bool {
        self.least.is_finite() && !self.most.is_nan() && self.least <= self.most
    }
}

impl From<f64> for Figure {
    fn from(figure: f64) -> Self {
        Self::exactly(figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_exact_only_if_its_bounds_meet() {
        assert_eq!(Figure::exactly(3.0).exact_value(), Some(3.0));
        assert_eq!(Figure::between(2.0, 3.0).exact_value(), None);
        assert_eq!((Figure::at_least(2.0).exact_value(), Figure::at_least(2.0).upper_bound()), (None, None));
    }
}
