//! The plan, decision by decision. Objects are written as a user writes them, in [`scene`].

mod applying;
mod asset;
mod certificate;
mod cluster;
mod content;
pub mod fake;
mod golden;
mod lineage;
mod local;
mod organization;
mod policy;
mod properties;
mod roll_back;
pub mod scene;
mod slice;
mod timing;
