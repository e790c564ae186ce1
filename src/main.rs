//! `steadfast` verifies that stores keep their promises to sessions.

fn main() {}
