//! `steadfast models`.

use crate::exit::Exit;
use checker::Model;

pub(crate) fn list_models() -> Exit {
    super::print_result(&super::format_listing(Model::ALL.iter().map(|model| (model.name(), model.line()))))
}
