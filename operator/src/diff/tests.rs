//! What is gained and lost, as sentences over small declarations, and as properties over random
//! ones that are held against the access model question by question.

mod faults;
mod model;
mod namespaces;
mod outputs;
mod properties;
mod rules;
mod trust;
mod widened;
pub(crate) mod worlds;
