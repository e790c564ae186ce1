//! What can be done to links on this machine, found out by doing it once.

use super::network::Means;
use super::packets::{Firewall, probe_queue, probe_reset};
use super::{NetworkIsolation, run_isolated};
use workloads::Fault;

/// What this program may do here; where it may not, why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Have a network namespace of its own.
    pub namespace: Result<(), String>,
    /// Set firewall rules in it that lose packets.
    pub drops: Result<(), String>,
    /// … that break and refuse connections.
    pub resets: Result<(), String>,
    /// … that hand packets to it (NFQUEUE).
    pub queue: Result<(), String>,
}

impl Capabilities {
    /// Tries everything, on a thread of its own.
    pub fn probe() -> Self {
        run_isolated(|isolation| async move { Self::probe_here(&isolation) })
    }

    /// Tries everything in the namespace of the calling thread, if that is its own. No rule is left.
    pub fn probe_here(isolation: &NetworkIsolation) -> Self {
        match isolation {
            NetworkIsolation::Own => {
                let drops = Firewall::probe();
                let (resets, queue) = match &drops {
                    Ok(()) => (probe_reset(), probe_queue()),
                    Err(why) => (Err(why.clone()), Err(why.clone())),
                };
                Self { namespace: Ok(()), drops, resets, queue }
            }
            NetworkIsolation::Shared(why) => {
                let no = Err(format!("no network namespace of its own: {why}"));
                Self { namespace: no.clone(), drops: no.clone(), resets: no.clone(), queue: no }
            }
        }
    }

    /// Whether a fault of links can be caused on this machine by these means; if not, why.
    pub fn check_fault(&self, means: Means, fault: Fault) -> Result<(), String> {
        means.check_fault(fault)?;
        match (means, fault) {
            (Means::Proxies, _) => Ok(()),
            (Means::Packets, Fault::Reset | Fault::Refuse) => self.resets.clone(),
            (Means::Packets, fault) if fault.divides_nodes() => self.drops.clone(),
            (Means::Packets, _) => self.queue.clone(),
        }
    }

    /// The means by which all of these faults can be caused on a network that can be made of either: packets if
    /// they will do. If neither will, why.
    pub fn choose_means(&self, asked: Option<Means>, faults: &[Fault]) -> Result<Means, String> {
        let of_links = || faults.iter().filter(|fault| fault.strikes_links());
        let all = |means| {
            of_links().try_for_each(|fault| {
                self.check_fault(means, *fault).map_err(|why| format!("{fault} cannot be caused: {why}"))
            })
        };
        let packets = self.drops.clone().and_then(|()| all(Means::Packets));
        match (asked, packets) {
            (Some(Means::Packets), packets) => packets.map(|()| Means::Packets),
            (Some(Means::Proxies), _) => all(Means::Proxies).map(|()| Means::Proxies),
            (None, Ok(())) => Ok(Means::Packets),
            (None, Err(why)) => match all(Means::Proxies) {
                Ok(()) => Ok(Means::Proxies),
                Err(other) => Err(format!("by packets: {why}; by proxies: {other}")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Vec<Fault> {
        texts.iter().map(|text| text.parse::<workloads::Strike>().unwrap().fault).collect()
    }

    #[test]
    fn packets_are_chosen_where_they_will_do_and_proxies_where_they_must() {
        let no = || Err("not allowed".to_owned());
        let all = Capabilities { namespace: Ok(()), drops: Ok(()), resets: Ok(()), queue: Ok(()) };
        let none = Capabilities { namespace: no(), drops: no(), resets: no(), queue: no() };
        let no_queue = Capabilities { queue: no(), ..all.clone() };
        let (late, lossy, cut) = (faults(&["delay", "kill"]), faults(&["loss"]), faults(&["half-close"]));
        assert_eq!(all.choose_means(None, &late), Ok(Means::Packets));
        assert_eq!(all.choose_means(None, &cut), Ok(Means::Proxies));
        assert_eq!(no_queue.choose_means(None, &late), Ok(Means::Proxies));
        assert_eq!(no_queue.choose_means(None, &faults(&["partition"])), Ok(Means::Packets));
        assert_eq!(none.choose_means(None, &[]), Ok(Means::Proxies));
        assert_eq!(none.choose_means(Some(Means::Packets), &[]), Err("not allowed".to_owned()));
        let why = none.choose_means(None, &lossy).unwrap_err();
        assert!(why.contains("not allowed") && why.contains("a proxy carries connections"), "{why}");
        let why = all.choose_means(None, &[lossy, cut].concat()).unwrap_err();
        assert!(why.contains("half-close") && why.contains("loss=0.2"), "{why}");
    }
}
