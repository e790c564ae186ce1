//! The options for checking invariants.

use checker::BankRules;

/// Facts about a bank that its history does not contain.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct InvariantArgs {
    /// bank: total of all accounts [default: the total of the first read]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Question")]
    total: Option<i64>,
    /// bank: allow negative balances
    #[arg(long = "allow-negative-balances", alias = "negative-balances", help_heading = "Question")]
    negative_balances: bool,
}

impl InvariantArgs {
    /// The rules of the bank.
    pub(crate) fn bank_rules(&self) -> BankRules {
        BankRules { total: self.total, negative_balances: self.negative_balances }
    }
}
