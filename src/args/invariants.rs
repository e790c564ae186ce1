//! What must be known to check invariants, and may be typed.

use checker::BankRules;

/// What a history of a bank does not tell.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct InvariantArgs {
    /// bank: what all accounts hold together [default: what the first read shows]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Question")]
    total: Option<i64>,
    /// bank: accounts may be overdrawn
    #[arg(long, help_heading = "Question")]
    negative_balances: bool,
}

impl InvariantArgs {
    /// What is meant.
    pub(crate) fn rules(&self) -> BankRules {
        BankRules { total: self.total, negative_balances: self.negative_balances }
    }
}
