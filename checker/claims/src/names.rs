//! Enumerations whose members have the names that users type.

/// Defines an enumeration with a name, other names and one line of explanation for each member. In JSON a member is its
/// name.
macro_rules! named {
    (
        $(#[$about:meta])* $what:ident, $noun:literal;
        $($variant:ident $name:literal $([$($alias:literal),*])? $line:literal,)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[repr(u8)]
        pub enum $what {
            $(#[doc = $line] #[serde(rename = $name)] $variant,)*
        }

        impl $what {
            /// Every one of them, in the order in which they are listed.
            pub const ALL: &'static [$what] = &[$($what::$variant),*];

            /// The name that users type and reports print.
            pub fn name(self) -> &'static str {
                match self { $($what::$variant => $name,)* }
            }

            /// Other names for it.
            pub fn aliases(self) -> &'static [&'static str] {
                match self { $($what::$variant => &[$($($alias),*)?],)* }
            }

            /// What it promises or means, in one line.
            pub fn line(self) -> &'static str {
                match self { $($what::$variant => $line,)* }
            }

            /// The member of a name or of another name.
            pub fn by_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.name() == name || known.aliases().contains(&name))
            }
        }

        impl std::str::FromStr for $what {
            type Err = $crate::QuestionError;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::by_name(name).ok_or_else(|| $crate::QuestionError::no_such($noun, name, Self::ALL.iter().map(|known| known.name())))
            }
        }
    };
}

pub(crate) use named;
