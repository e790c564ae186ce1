//! A bank: money moves between accounts and is neither made nor lost.
//!
//! Jepsen's `bank` transfers between accounts in transactions and reads all of them in one; its checker holds every read
//! against the total and the accounts that the test was set up with. A history alone does not tell these, so unless
//! [`BankRules::total`] does, the first read is taken for the total: two reads with different totals contradict one
//! another whatever the right one is. Balances of `null` and (unless allowed) below zero are breaches as in Jepsen;
//! an account that a read leaves out counts as empty.
//!
//! Whether a transfer took effect does not matter: none changes the total. So `fail` and `info` need no thought, and
//! neither does order. Under snapshot isolation, and so under serializability, no read breaks this; under read
//! committed, some do.

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
