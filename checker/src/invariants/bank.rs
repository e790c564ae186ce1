//! A bank: money moves between accounts, and none is created or lost.
//!
//! Jepsen's `bank` transfers between accounts in transactions and reads all of them in one. Its checker compares every
//! read with the total and the accounts that the test was set up with. A history alone does not contain these. So
//! unless [`BankRules::total`] gives the total, the total of the first read is expected of the others: two reads with
//! different totals contradict one another, whatever the right total is. Balances of `null`, and balances below zero
//! unless allowed, are breaches as in Jepsen. An account that a read leaves out counts as empty.
//!
//! Whether a transfer took effect does not matter, because no transfer changes the total. So the check ignores outcomes
//! of transfers and their order. Under snapshot isolation, and so under serializability, no read breaks this invariant;
//! under read committed, some reads do.

use super::found::BreachCollector;
use super::{ObjectOperations, values};
use claims::{BankRules, BreachEvidence};
use histories::{Function, OpId};

pub(super) fn check_bank(object: &ObjectOperations<'_>, options: &BankRules, found: &mut BreachCollector) {
    let (history, key) = (object.history, object.key());
    let mut expected: Option<(i128, Option<OpId>)> = options.total.map(|total| (i128::from(total), None));
    for read in object.acknowledged_operations(Function::READ) {
        let Some(balances) = values::parse_balances(history, history.operation(read).result) else {
            found.note_unclear(format!(
                "operation {} returned something else than balances by account",
                history.operation_index(read)
            ));
            continue;
        };
        found.looked += 1;
        let mut whole = true;
        for (account, balance) in &balances {
            let kind = match balance {
                None => "nil-balance",
                Some(balance) if *balance < 0 && !options.negative_balances => "negative-balance",
                Some(_) => continue,
            };
            whole &= balance.is_some();
            let evidence = || BreachEvidence::Balance { read, account: account.clone(), balance: *balance };
            found.add_breach(kind, key, evidence);
        }
        if !whole {
            continue;
        }
        let total: i128 = balances.iter().filter_map(|(_, balance)| *balance).map(i128::from).sum();
        let &mut (expected, first) = expected.get_or_insert((total, Some(read)));
        if total != expected {
            found.add_breach("wrong-total", key, || BreachEvidence::Total { read, total, expected, first });
        }
    }
}
