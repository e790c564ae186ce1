//! `steadfast levels`.

use crate::exit::Exit;
use checker::Level;

pub(crate) fn run() -> Exit {
    super::print(&super::listing(Level::ALL.iter().map(|level| (level.name(), level.line()))))
}
