//! `steadfast levels`.

use crate::exit::Exit;
use checker::Property;

pub(crate) fn list_levels() -> Exit {
    super::print_result(&super::format_listing(Property::all().map(|level| (level.name(), level.line()))))
}
