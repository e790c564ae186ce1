//! The consistency levels, by the names that users type.

macro_rules! levels {
    ($($variant:ident $name:literal $line:literal,)*) => {
        /// A promise that a store may keep.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Level {
            $(#[doc = $line] $variant,)*
        }

        impl Level {
            /// Every level that this program decides.
            pub const ALL: &'static [Level] = &[$(Level::$variant),*];

            /// The name that users type and reports print.
            pub fn name(self) -> &'static str {
                match self { $(Level::$variant => $name,)* }
            }

            /// What it promises, in one line.
            pub fn line(self) -> &'static str {
                match self { $(Level::$variant => $line,)* }
            }
        }
    };
}

levels! {
    Linearizable "linearizable"
        "one order of all operations on an object that extends real time and is legal for it",
    Sequential "sequential"
        "one order of all operations on all objects that extends session order and is legal",
    CausalConvergence "causal-convergence"
        "causal, and all agree on the order of conflicting writes",
    CausalMemory "causal-memory"
        "for each session an order of all writes and its reads that extends causal order and is legal",
    Causal "causal"
        "of registers: no read returns what was overwritten in its causal past",
    Pram "pram"
        "for each session an order of all writes and its reads that extends session order and is legal",
    ReadYourWrites "read-your-writes"
        "a session never reads a version older than one it wrote before",
    MonotonicReads "monotonic-reads"
        "a session never reads a version older than one it read before",
    MonotonicWrites "monotonic-writes"
        "the writes of a session take effect in the order in which it made them",
    WritesFollowReads "writes-follow-reads"
        "a session's write comes after every version that it read before",
    Session "session"
        "all four session guarantees at once, on one version order per object",
}

impl Level {
    /// Whether it can be judged of a history that tells only what each session did. New levels cannot, until somebody
    /// has thought about it.
    pub fn needs_real_time(self) -> bool {
        let local = [
            Level::ReadYourWrites,
            Level::MonotonicReads,
            Level::MonotonicWrites,
            Level::WritesFollowReads,
            Level::Session,
            Level::Sequential,
            Level::CausalConvergence,
            Level::CausalMemory,
            Level::Causal,
            Level::Pram,
        ];
        !local.contains(&self)
    }
}

impl std::str::FromStr for Level {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Level::ALL.iter().copied().find(|level| level.name() == name);
        found.ok_or_else(|| format!("there is no level {name:?}; `steadfast levels` lists them"))
    }
}
