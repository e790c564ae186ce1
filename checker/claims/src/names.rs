//! A macro for enumerations whose variants have names that users type.

/// Defines an enumeration with a name, aliases and one line of explanation for each variant. In JSON, a variant is
/// represented by its name.
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
            /// All variants, in the order of their definition.
            pub const ALL: &'static [$what] = &[$($what::$variant),*];

            /// The name that users type and reports print.
            pub fn name(self) -> &'static str {
                match self { $($what::$variant => $name,)* }
            }

            /// Aliases of the name.
            pub fn aliases(self) -> &'static [&'static str] {
                match self { $($what::$variant => &[$($($alias),*)?],)* }
            }

            /// The meaning in one line.
            pub fn line(self) -> &'static str {
                match self { $($what::$variant => $line,)* }
            }

            /// Finds the variant with this name or alias.
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
