//! FinP2P resources: what users write, what the operator tells the nodes, and the one
//! function that says who may see what.
//!
//! Modules in reading order:
//! - [`peer_organization`], [`shared_asset`], [`sharing_policy`]: the kinds users write.
//! - [`sidecar_config`]: the internal kind that carries a node's configuration, and
//!   [`entry`], the typed payloads inside its slices.
//! - [`resource_id`], [`label`], [`condition`]: the words the kinds share.
//! - [`content`]: which Secrets and ConfigMaps a node reads.
//! - [`access`]: the access model, the only code that says who may see what.
//! - [`definition`]: the four CRDs as YAML.
//! - [`log_filter`]: what `--log` of operator and node takes.
//!
//! Data flow: manifests → kinds → (the operator's plan) → entries → access model.
//! Nothing here has a client, a runtime or a clock: `now` is always an input.

// Every `printcolumn(...)` of a kind has its own `type_`; the lint takes them for one list.
#![allow(clippy::duplicated_attributes)]

pub mod access;
pub mod condition;
pub mod content;
pub mod definition;
pub mod entry;
pub mod label;
pub mod log_filter;
pub mod peer_organization;
pub mod resource_id;
mod schema;
pub mod shared_asset;
pub mod sharing_policy;
pub mod sidecar_config;

pub use peer_organization::{PeerOrganization, PeerOrganizationSpec};
pub use resource_id::ResourceId;
pub use shared_asset::{SharedAsset, SharedAssetSpec};
pub use sharing_policy::{SharingPolicy, SharingPolicySpec};
pub use sidecar_config::{SidecarConfig, SidecarConfigSpec};

/// API group of every kind.
pub const GROUP: &str = "sharing.finp2p.io";
/// The one served and stored version.
pub const VERSION: &str = "v1alpha1";
/// Label that its owner sets on a Secret or ConfigMap to let a SharedAsset publish it.
pub const CONTENT_LABEL: &str = "sharing.finp2p.io/content";
/// Annotation with the commit or ticket behind a change; carried into Events, audit and evidence.
pub const CHANGE_ANNOTATION: &str = "sharing.finp2p.io/change";
/// Annotation on the local PeerOrganization: the sequence of its node's configuration is at least this
/// number. A person who means an older configuration, after a restored backup of the control plane,
/// sets it above the number that the node remembers and names in its report.
pub const SEQUENCE_ANNOTATION: &str = "sharing.finp2p.io/sequence";
