//! The checks, with real keys, envelopes, certificates and records.

mod access;
mod answers;
mod catalogue;
mod hello;
mod hello_order;
mod items;
mod log;
mod order;
mod requests;
mod shape;
mod trust;
mod world;
