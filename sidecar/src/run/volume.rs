//! The node as its volume remembers it.

use std::sync::Arc;

use super::RunError;
use super::source::Origin;
use crate::args::Args;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::keys::NodeKeys;
use crate::node::{Node, Parts};
use crate::store::Store;
use crate::volume;

/// What is on the node's volume.
pub struct Volume {
    pub node: Arc<Node>,
    pub audit: Arc<Audit>,
    pub store: Arc<dyn Store>,
}

impl Volume {
    /// Opens it, or makes what a first start needs.
    pub fn open(args: &Args, clock: &Clock, origin: &Origin) -> Result<Self, RunError> {
        let volume::Volume { store, audit } =
            volume::open(&args.state, &args.store_key, clock.now())?;
        let node = Node::resume(Parts {
            source: Arc::clone(&origin.source),
            keys: Arc::new(NodeKeys::load_or_create(&*store)?),
            store: Arc::clone(&store),
            audit: Arc::clone(&audit),
            report: Arc::clone(&origin.report),
        })?;
        Ok(Self {
            node: Arc::new(node),
            audit,
            store,
        })
    }
}
