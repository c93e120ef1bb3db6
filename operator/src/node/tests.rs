//! The plan, decision by decision. Objects are written as a user writes them, in [`scene`].

mod asset;
mod certificate;
mod cluster;
mod content;
mod golden;
mod lineage;
mod local;
mod organization;
mod policy;
mod properties;
mod roll_back;
mod scene;
mod slice;
mod timing;
