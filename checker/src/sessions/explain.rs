//! A cycle in words.
