//! `steadfast levels`.

use crate::exit::Exit;
use checker::Property;

pub(crate) fn run() -> Exit {
    super::print(&super::listing(Property::all().map(|level| (level.name(), level.line()))))
}
