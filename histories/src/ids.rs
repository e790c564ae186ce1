//! Dense `u32` ids. Each kind is its own type, so that a key cannot be confused with a value.

/// A dense index, assigned in order of first appearance.
pub trait Id: Copy + Eq + Ord + std::hash::Hash + std::fmt::Debug {
    /// The id of the `index`-th thing. Panics beyond `u32::MAX - 1` things.
    fn new(index: usize) -> Self;
    /// Its index into a column.
    fn index(self) -> usize;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The id behind a raw number, for columns that store ids as `u32`.
            pub const fn from_raw(raw: u32) -> Self {
                Self(raw)
            }

            /// The raw number, for columns that store ids as `u32`.
            pub const fn raw(self) -> u32 {
                self.0
            }
        }

        impl Id for $name {
            fn new(index: usize) -> Self {
                assert!(index < u32::MAX as usize, concat!("more ", stringify!($name), "s than fit in 32 bits"));
                Self(index as u32)
            }

            fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

ids! {
    /// An operation: an invocation and, if there is one, its completion. Numbered by invocation.
    OpId;
    /// An object. [`KeyId::NONE`] is the one object of a history that names none.
    KeyId;
    /// A value, interned as canonical JSON. [`ValueId::NULL`] is `null`.
    ValueId;
    /// A session: a sequence of operations that one user takes for their own.
    SessionId;
    /// A client that does one operation at a time.
    ProcessId;
    /// A list that a transaction read; see [`crate::Lists`].
    ListId;
}

impl KeyId {
    /// The object of operations that name no key.
    pub const NONE: KeyId = KeyId(0);
}

impl ValueId {
    /// `null`: absent.
    pub const NULL: ValueId = ValueId(0);
}
