//! A plan: a schedule with definite times and targets for each fault.
//!
//! The plan is made before the run from the schedule, the seed and the nodes, so that it can be printed, rejected and
//! reproduced. Roles such as the primary are not known in advance. Such targets stay in the plan as roles and are
//! resolved when the fault strikes.

use crate::{Fault, FaultSchedule, Stream, Strike, Target, Timing, format_duration};
use std::time::Duration;

/// One fault from its strike to its end.
#[derive(Clone, PartialEq, Debug)]
pub struct Episode {
    /// The fault.
    pub fault: Fault,
    /// The target: a role, a node, or a link between two of them. It is never [`Target::Random`].
    pub target: Target,
    /// The time of the strike, in ns since the start of the run.
    pub from_ns: u64,
    /// The time of the end.
    pub to_ns: u64,
}

/// All faults of a run, in the order in which they strike.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// The episodes.
    pub episodes: Vec<Episode>,
}

/// Why a schedule cannot become a plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PlanError {
    /// The schedule names a node that does not exist.
    NoSuchNode {
        /// The name.
        node: String,
        /// The existing nodes.
        nodes: Vec<String>,
    },
    /// A fault would strike after the end of the run.
    TooLate {
        /// The fault.
        strike: String,
        /// The time at which the run ends.
        duration: Duration,
    },
    /// A fault of nodes has a link as its target.
    NotOfLinks {
        /// The fault.
        fault: &'static str,
        /// The link.
        target: String,
    },
    /// The fault needs more nodes than there are.
    TooFewNodes {
        /// The fault.
        fault: &'static str,
        /// The minimum number of nodes.
        least: usize,
        /// The number of nodes.
        nodes: usize,
    },
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PlanError::NoSuchNode { node, nodes } => {
                write!(
                    f,
                    "the schedule names node {node:?}, but there are {} (and primary, replica, random, all)",
                    nodes.join(", ")
                )
            }
            PlanError::TooLate { strike, duration } => {
                write!(f, "{strike} would strike after the run's end at {}", format_duration(*duration))
            }
            PlanError::NotOfLinks { fault, target } => {
                write!(f, "{fault} strikes nodes, not links, and {target} is not a node")
            }
            PlanError::TooFewNodes { fault, least, nodes } => {
                write!(f, "{fault} needs at least {least} nodes, but there are {nodes}")
            }
        }
    }
}

impl std::error::Error for PlanError {}

impl Plan {
    /// Makes the plan of a schedule for a run of this duration. Every fault ends by the end of the run.
    pub fn new(
        schedule: &FaultSchedule,
        seed: u64,
        nodes: &[String],
        duration: Duration,
    ) -> Result<Self, PlanError> {
        Self::with_names(schedule, seed, (nodes, &[]), duration)
    }

    /// Makes a plan like [`Plan::new`]. Targets may also have the names `others`: roles, and ends that only links have.
    pub fn with_names(
        schedule: &FaultSchedule,
        seed: u64,
        (nodes, others): (&[String], &[String]),
        duration: Duration,
    ) -> Result<Self, PlanError> {
        let all = [nodes, others].concat();
        let settle = |strike: &Strike| Strike {
            target: strike.target.as_ref().map(|target| target.resolve_names(&all)),
            ..strike.clone()
        };
        let strikes: Vec<Strike> = schedule.strikes.iter().map(settle).collect();
        for strike in &strikes {
            validate_strike(strike, &all, duration)?;
        }
        let mut planner = Planner {
            length: schedule.length,
            nodes,
            end_ns: duration.as_nanos() as u64,
            stream: Stream::new(seed, "faults"),
            episodes: Vec::new(),
        };
        let (fixed, floating): (Vec<_>, Vec<_>) = strikes.iter().partition(|strike| strike.at.is_some());
        for strike in fixed {
            let at = strike.at.expect("has a time");
            planner.add_episode(strike, at.as_nanos() as u64, None);
        }
        if !floating.is_empty() {
            planner.add_untimed_strikes(&floating, schedule.timing);
        }
        let mut episodes = planner.episodes;
        episodes.sort_by_key(|episode| episode.from_ns);
        Ok(Self { episodes })
    }

    /// The end of the last fault, in ns since the start of the run.
    pub fn last_end_ns(&self) -> u64 {
        self.episodes.iter().map(|episode| episode.to_ns).max().unwrap_or(0)
    }
}

impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let span = |ns| format_duration(Duration::from_nanos(ns));
        for episode in &self.episodes {
            let (fault, target) = (episode.fault.to_string(), episode.target.to_string());
            write!(f, "{:>10}  {fault} {target}", span(episode.from_ns))?;
            if !episode.fault.is_momentary() {
                write!(f, " until {}", span(episode.to_ns))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn validate_strike(strike: &Strike, nodes: &[String], duration: Duration) -> Result<(), PlanError> {
    let named = strike.target.iter().flat_map(Target::node_names);
    if let Some(node) = named.into_iter().find(|name| !nodes.iter().any(|node| node == name)) {
        return Err(PlanError::NoSuchNode { node: node.to_owned(), nodes: nodes.to_vec() });
    }
    if let Some(target) =
        strike.target.as_ref().filter(|target| target.is_link() && !strike.fault.strikes_links())
    {
        return Err(PlanError::NotOfLinks { fault: strike.fault.name(), target: target.to_string() });
    }
    if strike.at.is_some_and(|at| at >= duration) {
        return Err(PlanError::TooLate { strike: strike.fault.to_string(), duration });
    }
    let least = match strike.fault {
        // A link has both of its ends even with one node, because the clients can be the other end.
        Fault::Partition if strike.target.as_ref().is_some_and(Target::is_link) => 1,
        Fault::Partition | Fault::OneWay => 2,
        Fault::Bridge => 3,
        // With three nodes, each can see a majority only if all see all.
        Fault::MajoritiesRing => 4,
        _ => 1,
    };
    if nodes.len() < least {
        return Err(PlanError::TooFewNodes { fault: strike.fault.name(), least, nodes: nodes.len() });
    }
    Ok(())
}

struct Planner<'a> {
    length: Duration,
    nodes: &'a [String],
    end_ns: u64,
    stream: Stream,
    episodes: Vec<Episode>,
}

impl Planner<'_> {
    /// Adds one episode and returns when it ends.
    fn add_episode(&mut self, strike: &Strike, from_ns: u64, node: Option<&String>) -> u64 {
        let length = strike.length.unwrap_or(self.length).as_nanos() as u64;
        let target = match (node, &strike.target) {
            (Some(node), _) => Target::Node(node.clone()),
            (None, Some(target)) => self.draw_target(target),
            (None, None) => Target::Primary,
        };
        let to_ns = if strike.fault.is_momentary() { from_ns } else { from_ns.saturating_add(length) };
        let to_ns = to_ns.min(self.end_ns);
        self.episodes.push(Episode { fault: strike.fault, target, from_ns, to_ns });
        to_ns
    }

    /// The target with a random node for each end that is left to chance.
    fn draw_target(&mut self, target: &Target) -> Target {
        match target {
            Target::Random => Target::Node(self.nodes[self.stream.draw_index(self.nodes.len())].clone()),
            Target::Link { from, to, both } => {
                let (from, mut to_end) = (self.draw_target(from), self.draw_target(to));
                while from == to_end && matches!(**to, Target::Random) && self.nodes.len() > 1 {
                    to_end = self.draw_target(to);
                }
                Target::Link { from: Box::new(from), to: Box::new(to_end), both: *both }
            }
            target => target.clone(),
        }
    }

    /// Adds the strikes that have no time of their own. `every` and `random` add none in the last tenth
    /// of the run.
    fn add_untimed_strikes(&mut self, strikes: &[&Strike], timing: Timing) {
        let quiet_ns = self.end_ns - self.end_ns / 10;
        match timing {
            Timing::Once => {
                let share = self.end_ns / (strikes.len() as u64 + 1);
                for (n, strike) in (1..).zip(strikes) {
                    self.add_episode(strike, share * n, None);
                }
            }
            Timing::Every(gap) => {
                let gap_ns = gap.as_nanos() as u64;
                for (n, strike) in (1..).zip(strikes.iter().cycle()) {
                    if gap_ns.saturating_mul(n) >= quiet_ns {
                        break;
                    }
                    self.add_episode(strike, gap_ns * n, None);
                }
            }
            Timing::Random(gap) => {
                let mut now_ns = 0;
                loop {
                    now_ns += self.stream.draw_exponential(gap.as_nanos() as f64).round() as u64 + 1;
                    let strike = strikes[self.stream.draw_index(strikes.len())];
                    if now_ns >= quiet_ns {
                        break;
                    }
                    now_ns = self.add_episode(strike, now_ns, None);
                }
            }
            Timing::Rapid(gap) => {
                for (n, strike) in (0..).zip(strikes) {
                    let at_ns = self.end_ns / 4 + n * gap.as_nanos() as u64;
                    if at_ns < self.end_ns {
                        self.add_episode(strike, at_ns, None);
                    }
                }
            }
            Timing::Rolling(gap) => self.add_rolling_strikes(strikes, gap.as_nanos() as u64),
        }
    }

    fn add_rolling_strikes(&mut self, strikes: &[&Strike], gap_ns: u64) {
        let mut now_ns = gap_ns;
        for node in self.nodes {
            for strike in strikes {
                if now_ns < self.end_ns {
                    now_ns = self.add_episode(strike, now_ns, Some(node)) + gap_ns;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Duration = Duration::from_secs(40);

    fn plan(strikes: &[&str], timing: &str, seed: u64) -> Result<Plan, PlanError> {
        let schedule = FaultSchedule {
            strikes: strikes.iter().map(|text| text.parse().unwrap()).collect(),
            timing: timing.parse().unwrap(),
            length: Duration::from_secs(3),
        };
        Plan::new(&schedule, seed, &["n1", "n2", "n3"].map(str::to_owned), RUN)
    }

    fn starts(plan: &Plan) -> Vec<u64> {
        plan.episodes.iter().map(|episode| episode.from_ns / 1_000_000_000).collect()
    }

    #[test]
    fn each_timing_strikes_when_it_says() {
        assert_eq!(starts(&plan(&["kill", "pause", "kill"], "once", 1).unwrap()), [10, 20, 30]);
        assert_eq!(starts(&plan(&["kill"], "every:8s", 1).unwrap()), [8, 16, 24, 32]);
        assert_eq!(starts(&plan(&["kill", "kill", "pause"], "rapid:2s", 1).unwrap()), [10, 12, 14]);
        assert_eq!(starts(&plan(&["kill@7s", "pause@3s"], "once", 1).unwrap()), [3, 7]);
        let rolling = plan(&["kill"], "rolling:2s", 1).unwrap();
        assert_eq!(starts(&rolling), [2, 7, 12]);
        let targets: Vec<_> = rolling.episodes.iter().map(|episode| episode.target.to_string()).collect();
        assert_eq!(targets, ["n1", "n2", "n3"]);
    }

    #[test]
    fn random_plans_replay_do_not_overlap_and_end_in_time() {
        for seed in 0..200 {
            let plan = plan(&["kill:random", "partition"], "random:4s", seed).unwrap();
            assert_eq!(plan, self::plan(&["kill:random", "partition"], "random:4s", seed).unwrap());
            assert!(plan.episodes.windows(2).all(|pair| pair[0].to_ns < pair[1].from_ns));
            assert!(plan.last_end_ns() <= RUN.as_nanos() as u64);
            assert!(plan.episodes.iter().all(|episode| episode.target != Target::Random));
        }
    }

    #[test]
    fn links_are_struck_by_the_names_of_their_ends() {
        let plan = plan(&["delay=5ms~1ms:n1>n2@1s", "hold:client-random@2s"], "once", 1).unwrap();
        assert_eq!(plan.episodes[0].target.to_string(), "n1>n2");
        let drawn = plan.episodes[1].target.node_names();
        assert!(drawn.len() == 1 && drawn[0].starts_with('n'), "{drawn:?}");
        let why = self::plan(&["hold:n1-n7"], "once", 1).unwrap_err().to_string();
        assert!(why.contains("\"n7\", but there are n1, n2, n3"), "{why}");
    }

    #[test]
    fn the_plan_can_be_read() {
        let plan = plan(&["partition:n2@5s+2.5s", "restart@9s"], "once", 1).unwrap();
        assert_eq!(plan.to_string(), "        5s  partition n2 until 7.5s\n        9s  restart primary\n");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let says = |strikes: &[&str]| plan(strikes, "once", 1).unwrap_err().to_string();
        assert!(says(&["kill:n9"]).contains("\"n9\", but there are n1, n2, n3"));
        assert!(says(&["kill@40s"]).contains("after the run's end at 40s"));
        assert!(says(&["kill:n1-n2"]).contains("n1-n2 is not a node"));
        let hyphen = FaultSchedule {
            strikes: vec!["kill:web-1@1s".parse().unwrap()],
            ..FaultSchedule::without_faults()
        };
        let plan = Plan::new(&hyphen, 1, &["web-1".to_owned()], RUN).unwrap();
        assert_eq!(plan.episodes[0].target.to_string(), "web-1");
        let schedule =
            FaultSchedule { strikes: vec!["bridge".parse().unwrap()], ..FaultSchedule::without_faults() };
        let two = ["a", "b"].map(str::to_owned);
        assert!(Plan::new(&schedule, 1, &two, RUN).unwrap_err().to_string().contains("at least 3 nodes"));
    }
}
