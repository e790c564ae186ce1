//! `steadfast models`.

use crate::exit::Exit;
use crate::models::BUILT;

pub(crate) fn run() -> Exit {
    super::print(&super::listing(BUILT.iter().map(|&(_, name, line)| (name, line))))
}
