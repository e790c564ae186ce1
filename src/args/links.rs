//! How the network between the servers of a store is realised.

use recorder::system::Means;

/// The realisation of the links between the servers of a store that is started for the run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum LinkChoice {
    /// Packets if this machine permits that, and proxies otherwise
    Auto,
    /// Packets in a network namespace; a partition loses packets
    Packets,
    /// Connections through proxies; a partition holds back data
    Proxies,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LinkArgs {
    /// Network between the servers that are started; `steadfast faults` lists what each kind can do
    #[arg(
        long = "network",
        alias = "links",
        value_name = "NAME",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Faults"
    )]
    links: LinkChoice,
}

impl LinkArgs {
    /// The choice of the user; none leaves it to the program.
    pub(super) fn chosen_means(&self) -> Option<Means> {
        match self.links {
            LinkChoice::Auto => None,
            LinkChoice::Packets => Some(Means::Packets),
            LinkChoice::Proxies => Some(Means::Proxies),
        }
    }
}
