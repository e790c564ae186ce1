//! `steadfast models`.

use crate::exit::Exit;
use crate::subject::Subject;

pub(crate) fn run() -> Exit {
    super::print(&super::listing(Subject::all().map(|(_, name, line)| (name, line))))
}
