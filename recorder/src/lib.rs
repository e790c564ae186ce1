//! Drives a store under faults and writes down what happened.
