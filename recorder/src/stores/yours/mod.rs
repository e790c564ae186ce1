//! Faults of a stack that the user started and describes in a stack file. Nodes are struck through their units or by
//! commands of the file, and links by proxies.

mod nemesis;
mod ready;
mod roles;
mod shell;
mod tables;
mod telling;
mod unit;

pub(crate) use nemesis::StackNemesis;
pub(crate) use tables::{LinkTable, NodeTable, RoleTable, YourStack};
