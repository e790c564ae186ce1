//! Two systems held against each other, figure by figure, beyond the noise of repeated runs.
//!
//! Figures of single runs differ even if nothing was changed. Whether those of B differ from those of A by more than
//! that is asked with the Wilcoxon–Mann–Whitney test: if A and B were the same, every way of dealing the figures out
//! to the two would be as likely as any other; how many of them put as extreme a sum of ranks on B's side as it has?
//! It takes ranks only, so that one wild run counts as one, and nothing is assumed of distributions; it is computed
//! exactly, ties included, by counting the ways (Mann & Whitney 1947).
//!
//! *Choices.* With n runs each the smallest probability is 2 / C(2n, n): 0.1 for three, 0.029 for four, 0.008 for
//! five. A test by whether the ranges overlap would speak after three, and be wrong one time in ten. Each figure is
//! tested by itself: of a hundred figures of equal systems one differs at 1 %. That is why a difference has to
//! be of some size as well: more than the tolerance, of the larger median.
//!
//! A figure between two bounds may be any number between them. So A and B are compared twice, with the bounds
//! that are best for the one and worst for the other; where that gives two answers, there is none.

use super::catalogue::{Better, METRICS, Metric, MetricValues};
use super::figure::Figure;

/// What counts as noise.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Noise {
    /// Differences that come by chance with no less than this probability are noise.
    pub significance: f64,
    /// Differences of medians of no more than this share of the larger one do not count.
    pub tolerance: f64,
}

/// Figures of repeated runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    /// How many runs gave one.
    pub count: usize,
    /// The least, by the lower bounds.
    pub min: f64,
    /// The median; of an even number, the mean of the middle two.
    pub median: Figure,
    /// The largest, by the upper bounds; infinite where one has none.
    pub max: f64,
}

/// How B compares to A.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricChange {
    /// Better beyond noise.
    Better,
    /// Worse beyond noise.
    Worse,
    /// No different, or not beyond noise.
    Same,
    /// They differ, and there are too few runs to say whether that is noise.
    NoiseUnknown,
    /// The figures are not known exactly, and whether they differ depends on what they are.
    BoundsOverlap,
    /// Not measured on one side, or on both.
    Missing,
}

/// One figure of A and of B.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MetricComparison {
    /// Which.
    pub metric: &'static Metric,
    /// Of the runs of A that gave it.
    pub a: Option<Summary>,
    /// Of the runs of B.
    pub b: Option<Summary>,
    /// Why it is missing.
    pub reason: Option<&'static str>,
    /// How B compares.
    pub change: MetricChange,
    /// The probability of a difference of ranks as large if both were the same.
    pub probability: Option<f64>,
}

impl MetricComparison {
    /// Whether the median of B is the better one, if they differ for certain.
    pub fn is_better(&self) -> Option<bool> {
        let (a, b) = (self.a?.median, self.b?.median);
        let less = self.metric.better == Better::Less;
        match (b.most < a.least, a.most < b.least) {
            (true, _) => Some(less),
            (_, true) => Some(!less),
            (false, false) => None,
        }
    }
}

/// Compares every figure of two sets of runs.
pub fn compare_runs(a: &[&MetricValues], b: &[&MetricValues], noise: Noise) -> Vec<MetricComparison> {
    METRICS.iter().map(|metric| compare_metric(metric, a, b, noise)).collect()
}

fn compare_metric(
    metric: &'static Metric,
    a: &[&MetricValues],
    b: &[&MetricValues],
    noise: Noise,
) -> MetricComparison {
    let figures = |runs: &[&MetricValues]| -> Vec<Figure> {
        runs.iter().filter_map(|values| values.get(metric)?.ok()).collect()
    };
    let missing = a.iter().chain(b).find_map(|values| values.get(metric).and_then(Result::err));
    let (of_a, of_b) = (figures(a), figures(b));
    let (a, b) = (Summary::from_figures(&of_a), Summary::from_figures(&of_b));
    let mut compared =
        MetricComparison { metric, a, b, reason: missing, change: MetricChange::Missing, probability: None };
    if a.is_none() || b.is_none() {
        return compared;
    }
    let (low, high) = (|figure: &Figure| figure.least, |figure: &Figure| figure.most.min(f64::MAX));
    let bounded =
        |figures: &[Figure], bound: fn(&Figure) -> f64| figures.iter().map(bound).collect::<Vec<_>>();
    let ways = [(low as fn(&Figure) -> f64, high as fn(&Figure) -> f64), (high, low)];
    let [one, other] = ways.map(|(bound_a, bound_b)| {
        compare_exact_figures(metric.better, &bounded(&of_a, bound_a), &bounded(&of_b, bound_b), noise)
    });
    compared.change = if one.0 == other.0 { one.0 } else { MetricChange::BoundsOverlap };
    compared.probability = Some(one.1.max(other.1));
    compared
}

/// How figures that are known exactly compare, and the probability of a difference as large by chance.
fn compare_exact_figures(better: Better, a: &[f64], b: &[f64], noise: Noise) -> (MetricChange, f64) {
    let [of_a, of_b] = [a, b].map(median_of);
    let by = (of_a - of_b).abs();
    let probability = rank_sum_probability(a, b);
    let change = match (of_b < of_a) == (better == Better::Less) {
        _ if of_a == of_b || by <= noise.tolerance * of_a.abs().max(of_b.abs()) => MetricChange::Same,
        _ if least_probability(a.len(), b.len()) > noise.significance => MetricChange::NoiseUnknown,
        _ if probability > noise.significance => MetricChange::Same,
        true => MetricChange::Better,
        false => MetricChange::Worse,
    };
    (change, probability)
}

impl Summary {
    /// Of the figures of some runs; nothing of none.
    pub fn from_figures(figures: &[Figure]) -> Option<Self> {
        let bound = |of: fn(&Figure) -> f64| figures.iter().map(of);
        let min = bound(|figure| figure.least).reduce(f64::min)?;
        let max = bound(|figure| figure.most).reduce(f64::max)?;
        let [least, most] = [bound(|figure| figure.least), bound(|figure| figure.most)]
            .map(|bounds| median_of(&bounds.collect::<Vec<_>>()));
        Some(Self { count: figures.len(), min, median: Figure::between(least, most), max })
    }
}

/// The median of one figure or more.
fn median_of(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        // Half of each, so that the largest numbers have a sum.
        _ => sorted[middle - 1] / 2.0 + sorted[middle] / 2.0,
    }
}

/// The probability that ranks differ at least as much as these do, if all figures are of one kind.
///
/// Ranks of equal figures are their mean, and all are doubled, so that they are whole. How many ways there are to
/// choose so many of them with each sum is counted rank by rank: O(n² · sum).
fn rank_sum_probability(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_by(f64::total_cmp);
    let rank = |figure: f64| {
        all.partition_point(|&other| other < figure) + all.partition_point(|&other| other <= figure) + 1
    };
    let total: usize = all.iter().map(|&figure| rank(figure)).sum();
    let observed: usize = a.iter().map(|&figure| rank(figure)).sum();
    let mut ways = vec![vec![0.0_f64; total + 1]; a.len() + 1];
    ways[0][0] = 1.0;
    for rank in all.iter().map(|&figure| rank(figure)) {
        for chosen in (1..=a.len()).rev() {
            for sum in (rank..=total).rev() {
                ways[chosen][sum] += ways[chosen - 1][sum - rank];
            }
        }
    }
    // Distances from the expected sum, times the number of figures, so that they are whole.
    let distance = |sum: usize| (sum * all.len()).abs_diff(total * a.len());
    let sums = || ways[a.len()].iter().enumerate();
    let extreme: f64 =
        sums().filter(|(sum, _)| distance(*sum) >= distance(observed)).map(|(_, ways)| ways).sum();
    extreme / sums().map(|(_, ways)| ways).sum::<f64>()
}

/// The smallest probability that so many runs can have: the two ways in which no rank of one is among the other's.
fn least_probability(a: usize, b: usize) -> f64 {
    let ways = (1..=a.min(b)).fold(1.0, |ways, at| ways * (a + b - a.min(b) + at) as f64 / at as f64);
    2.0 / ways
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: Noise = Noise { significance: 0.01, tolerance: 0.05 };

    fn runs(name: &str, figures: &[f64]) -> Vec<MetricValues> {
        let run = |&figure: &f64| {
            let mut values = MetricValues::default();
            values.set_figure(name, if figure.is_nan() { Err("not measured") } else { Ok(figure) });
            values
        };
        figures.iter().map(run).collect()
    }

    fn compared(name: &str, a: &[f64], b: &[f64]) -> MetricComparison {
        let (a, b) = (runs(name, a), runs(name, b));
        let found = compare_runs(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>(), NOISE);
        found.into_iter().find(|compared| compared.metric.name == name).expect("every metric is compared")
    }

    /// By hand: of the C(6, 3) = 20 ways to deal six ranks, two are as extreme as 1 2 3 against 4 5 6; and of the
    /// C(4, 2) = 6 ways with ranks 1, 2.5, 2.5, 4, the sums 3.5 3.5 5 5 6.5 6.5 are as far from 5 as 3.5 in four.
    #[test]
    fn probabilities_are_those_counted_by_hand() {
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        near(rank_sum_probability(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 0.1);
        near(rank_sum_probability(&[1.0, 2.0], &[2.0, 3.0]), 4.0 / 6.0);
        near(rank_sum_probability(&[1.0, 1.0], &[1.0, 1.0]), 1.0);
        near(rank_sum_probability(&[7.0], &[9.0]), 1.0);
        near(least_probability(3, 3), 0.1);
        near(least_probability(5, 5), 2.0 / 252.0);
        near(least_probability(2, 8), 2.0 / 45.0);
    }

    #[test]
    fn only_what_is_beyond_noise_is_better_or_worse() {
        let (low, high) = ([1.0, 1.1, 1.2, 1.3, 1.4], [2.0, 2.1, 2.2, 2.3, 2.4]);
        assert_eq!(compared("recovery_p99_seconds", &low, &high).change, MetricChange::Worse);
        assert_eq!(compared("recovery_p99_seconds", &high, &low).change, MetricChange::Better);
        assert_eq!(compared("throughput_per_second", &low, &high).change, MetricChange::Better);
        // The ranges overlap in one run each.
        assert_eq!(
            compared("recovery_p99_seconds", &[1.0, 1.1, 1.2, 1.3, 2.05], &high).change,
            MetricChange::Same
        );
        // Three runs each cannot tell; neither can one.
        assert_eq!(
            compared("recovery_p99_seconds", &low[..3], &high[..3]).change,
            MetricChange::NoiseUnknown
        );
        assert_eq!(compared("recovery_p99_seconds", &[1.0], &[9.0]).change, MetricChange::NoiseUnknown);
        // Certain, and too small to matter.
        let close: Vec<f64> = low.iter().map(|figure| figure / 1000.0 + 1.0).collect();
        assert_eq!(compared("recovery_p99_seconds", &[1.0; 5], &close).change, MetricChange::Same);
        assert_eq!(compared("recovery_p99_seconds", &[1.0; 5], &[f64::NAN; 5]).change, MetricChange::Missing);
    }

    /// Losses of 0 to 9 in each run of A: if there were none, B with 5 each is worse; if there were 9, it is better. With
    /// 20 each it is worse whatever A's were.
    #[test]
    fn bounds_are_compared_at_both_ends() {
        let bounded = |least, most| {
            let mut values = MetricValues::default();
            values.set_figure("lost_writes", Ok(Figure::between(least, most)));
            values
        };
        let compared = |b: &[f64]| {
            let (a, b) = (vec![bounded(0.0, 9.0); 5], runs("lost_writes", b));
            let found = compare_runs(&a.iter().collect::<Vec<_>>(), &b.iter().collect::<Vec<_>>(), NOISE);
            found.into_iter().find(|one| one.metric.name == "lost_writes").expect("compared")
        };
        assert_eq!(compared(&[5.0; 5]).change, MetricChange::BoundsOverlap);
        assert_eq!(compared(&[5.0; 5]).is_better(), None);
        let worse = compared(&[20.0; 5]);
        assert_eq!((worse.change, worse.is_better()), (MetricChange::Worse, Some(false)));
        assert_eq!(worse.a.expect("measured").median, Figure::between(0.0, 9.0));
        // Of what has no upper bound nothing is said but that it is not less.
        let endless = vec![bounded(1.0, f64::INFINITY); 5];
        let found =
            compare_runs(&endless.iter().collect::<Vec<_>>(), &endless.iter().collect::<Vec<_>>(), NOISE);
        let same = found.iter().find(|one| one.metric.name == "lost_writes").expect("compared");
        assert_eq!(same.change, MetricChange::BoundsOverlap);
    }
}
