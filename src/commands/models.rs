//! `steadfast models`.

use crate::exit::Exit;
use checker::Model;

pub(crate) fn run() -> Exit {
    super::print(&super::listing(Model::ALL.iter().map(|model| (model.name(), model.line()))))
}
