//! Findings, checked again from the history alone.
