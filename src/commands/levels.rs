//! `steadfast levels`.

use crate::exit::Exit;
use crate::subject::Promise;

pub(crate) fn run() -> Exit {
    super::print(&super::listing(Promise::all().map(|level| (level.name(), level.line()))))
}
