//! What sessions do and when faults strike: pure and seeded.

pub mod databases;
