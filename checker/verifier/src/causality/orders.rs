//! Checks orders that explain a history: they contain the required operations, extend the required orders, and explain
//! each read.

use super::execution::Execution;
use super::objects;
use super::past::CausalPast;
use crate::Confirmation;
use crate::watch::Watch;
use claims::{CausalOrders, Level, ObjectQuestion};
use histories::History;

pub(super) fn verify_orders(
    history: &History,
    level: Level,
    question: &ObjectQuestion,
    found: &CausalOrders,
    watch: &Watch<'_>,
) -> Result<Confirmation, String> {
    if level.is_sequential_per_object() {
        objects::verify_orders_of_objects(history, level, question, &found.orders, watch)?;
        return Ok(Confirmation::Confirmed);
    }
    if found.orders.iter().any(|order| order.key.is_some()) {
        return Err("the level asks for orders of all objects".to_owned());
    }
    let execution = Execution::new(history, question, found, watch)?;
    match (level, found.orders.as_slice()) {
        (Level::Pram | Level::CausalMemory, orders) if orders.iter().all(|order| order.session.is_some()) => {
            execution.require_order_per_reader(orders)?;
            orders.iter().try_for_each(|order| {
                let places = execution.places_in_order(order)?;
                execution.replay_reads(order)?;
                execution.require_extension(&places, level == Level::CausalMemory)
            })?;
            Ok(Confirmation::Confirmed)
        }
        (_, [order]) if order.session.is_none() => {
            let places = execution.places_in_order(order)?;
            if level == Level::DatabaseWritesFollowReads {
                execution.require_causes_first(&places)?;
                return Ok(Confirmation::Confirmed);
            }
            // Checks causal order. For a legal order this is the same as session order.
            execution.require_extension(&places, true)?;
            if level == Level::OrderedSequential {
                execution.require_real_time(&order.operations)?;
            }
            if level == Level::RealTimeCausal {
                execution.require_no_future(&order.operations)?;
            }
            let legal = execution.replay_reads(order);
            match level {
                _ if legal.is_ok() => Ok(Confirmation::Confirmed),
                Level::Causal | Level::RealTimeCausal => {
                    CausalPast::new(&execution, order).check_all_reads(None)
                }
                Level::CausalConvergence => CausalPast::new(&execution, order).check_all_reads(Some(&places)),
                _ => legal.map(|()| Confirmation::Confirmed),
            }
        }
        _ => Err("these are not the orders that the level asks for".to_owned()),
    }
}
