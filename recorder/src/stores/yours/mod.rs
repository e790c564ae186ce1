//! Nodes and links that somebody else started and a stack file names: struck by their units, by commands, and by proxies.

mod nemesis;
mod roles;
mod shell;
mod tables;
mod telling;
mod unit;

pub(crate) use nemesis::StackNemesis;
pub(crate) use tables::{LinkTable, NodeTable, RoleTable, YourStack};
