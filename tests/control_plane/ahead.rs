//! The tests that take longest, minutes of which are the thing measured. They are here for their
//! name: tests begin in the order of names, and a long one that begins last has the whole suite wait
//! for it.

mod node;
mod outage;
mod writes;
