//! What the links of a store are made of, as users name it.

use recorder::system::Means;

/// What the links between the hosts of a store that is started for the run are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Links {
    /// Packets where they will do, and proxies otherwise
    Auto,
    /// Packets in a network namespace: what is cut is lost
    Packets,
    /// Connections through proxies: what is cut is held
    Proxies,
}

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct LinkArgs {
    /// redis-sentinel: what the links between hosts are made of (`steadfast faults` lists what each can do)
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Faults"
    )]
    links: Links,
}

impl LinkArgs {
    /// What the user wants them to be made of, if that matters.
    pub(super) fn means(&self) -> Option<Means> {
        match self.links {
            Links::Auto => None,
            Links::Packets => Some(Means::Packets),
            Links::Proxies => Some(Means::Proxies),
        }
    }
}
