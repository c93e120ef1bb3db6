//! What is on the node's volume.

use std::sync::Arc;

use super::RunError;
use super::source::Origin;
use crate::args::Args;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::keys::NodeKeys;
use crate::node::{Node, Parts};
use crate::store::{SledStore, Store, StoreKey};

/// What is on the node's volume.
pub struct Volume {
    pub node: Arc<Node>,
    pub audit: Arc<Audit>,
    pub store: Arc<dyn Store>,
}

impl Volume {
    /// Opens it, or makes what a first start needs.
    pub fn open(args: &Args, clock: &Clock, origin: &Origin) -> Result<Self, RunError> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&args.state)
            .map_err(|source| RunError::State {
                path: args.state.clone(),
                source,
            })?;
        let key = StoreKey::read(&args.store_key)?;
        let store: Arc<dyn Store> = Arc::new(SledStore::open(&args.state.join("store"), &key)?);
        let audit = Arc::new(Audit::open(&args.state.join("audit"), clock.now())?);
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
