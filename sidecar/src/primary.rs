//! What this organization is the Primary of: content in, signed versions out.
//!
//! Modules in reading order: [`schema`] (the JSON Schema that content must meet), [`version`]
//! (what is kept of each asset, and when content is a new version).
//!
//! Data flow: a Secret, a ConfigMap or the local API → [`Primary::publish`] → [`Record`] in the
//! store → the request checks and the local API. Missing or invalid content keeps the last
//! version, and never erases one.

pub mod schema;
pub mod version;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use finp2p_crds::ResourceId;
use finp2p_crds::condition::reasons;
use finp2p_crds::entry::{AssetEntry, Entry};
use finp2p_crds::sidecar_config::Exception;
use jiff::Timestamp;

use crate::config::Applied;
use crate::config::content::ContentError;
use crate::record::{self, Claims, Content, IssueError, Opening, Pointer, Record, RecordSigner};
use crate::store::{Key, Space, Store, StoreError, Write};
use schema::SchemaError;
use version::Held;

/// Why content did not become a version. What was published before stays.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The asset is not in the applied configuration, or is a peer's.
    #[error("this organization has no asset with that id: apply a SharedAsset with content first")]
    NotOurs,
    /// The content of the asset comes from a Secret or ConfigMap.
    #[error(
        "the content of this asset comes from a Secret or ConfigMap: write it there, or use content: {{api: {{}}}}"
    )]
    NotByApi,
    /// The content cannot be signed.
    #[error(transparent)]
    Content(#[from] record::ContentError),
    /// The content does not meet the asset's schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A pointer in `units` cannot be used.
    #[error("a pointer in units of this asset cannot be used")]
    Units(#[source] record::PointerError),
    /// The version cannot be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The object behind the content cannot be had.
    #[error(transparent)]
    Source(#[from] ContentError),
    /// The store does not take or give it.
    #[error("the private store does not take or give this asset")]
    Store(#[from] StoreError),
    /// What is kept of the asset does not decode.
    #[error("what the private store holds of this asset cannot be decoded")]
    Kept(#[source] serde_json::Error),
}

/// A published version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its version number.
    pub version: u64,
    /// Its hash, for a ledger.
    pub hash: record::RecordHash,
    /// Whether this call made it; `false` when the content was already published.
    pub new: bool,
}

/// The organization's own assets.
#[derive(Debug)]
pub struct Primary {
    store: Arc<dyn Store>,
    network: String,
    organization: String,
    // One writer at a time: reading the last version, signing the next and writing it is one step.
    writing: Mutex<()>,
    /// Units of current versions that somebody asked for: as many as there are own assets.
    units: RwLock<HashMap<ResourceId, Arc<[String]>>>,
    /// Assets whose units are other ones since somebody took these: as many at most.
    changed: Mutex<BTreeSet<ResourceId>>,
}

impl Primary {
    /// The assets of `organization` on `network`, kept in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, organization: String, network: String) -> Self {
        Self {
            store,
            network,
            organization,
            writing: Mutex::new(()),
            units: RwLock::default(),
            changed: Mutex::default(),
        }
    }

    /// Whether the store has stopped. Touches no disk.
    #[must_use]
    pub fn has_stopped(&self) -> bool {
        self.store.trouble().is_some()
    }

    /// The current version of a resource, as issued.
    ///
    /// # Errors
    /// [`PublishError::Store`] and [`PublishError::Kept`].
    pub fn current(&self, resource: &ResourceId) -> Result<Option<Held>, PublishError> {
        self.store
            .get(&key(resource)?)?
            .map(|value| serde_json::from_slice(&value).map_err(PublishError::Kept))
            .transpose()
    }

    /// The units of the current version of a resource; `None` when there is none.
    #[must_use]
    pub fn units(&self, resource: &ResourceId) -> Option<Arc<[String]>> {
        let known = self.units.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(units) = known.get(resource) {
            return Some(Arc::clone(units));
        }
        drop(known);
        // Read and remembered as one step of the writers: no newer version comes in between.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.current(resource).ok().flatten()?;
        let units: Arc<[String]> = units(&held.record).into();
        self.remember(resource, &units);
        Some(units)
    }

    /// Assets whose current version may have other units than the one before, since this was asked
    /// last: one asks, again and again.
    #[must_use]
    pub fn take_changed(&self) -> BTreeSet<ResourceId> {
        std::mem::take(&mut *self.changed())
    }

    fn changed(&self) -> MutexGuard<'_, BTreeSet<ResourceId>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes content that the local API was given.
    ///
    /// # Errors
    /// [`PublishError`]; nothing changed then.
    pub fn write<S: RecordSigner>(
        &self,
        now: Timestamp,
        applied: &Applied,
        resource: &ResourceId,
        content: &[u8],
        signer: &S,
    ) -> Result<Published, PublishError> {
        let asset = applied
            .facts
            .own_asset(resource)
            .map_err(|_| PublishError::NotOurs)?;
        if asset
            .payload
            .content
            .as_ref()
            .is_none_or(|c| c.api.is_none())
        {
            return Err(PublishError::NotByApi);
        }
        self.publish(now, applied, asset, content, signer)
    }

    /// Publishes content of an asset, unless its current version says the same.
    ///
    /// # Errors
    /// [`PublishError`]; nothing changed then.
    pub(crate) fn publish<S: RecordSigner>(
        &self,
        now: Timestamp,
        applied: &Applied,
        asset: &Entry<AssetEntry>,
        text: &[u8],
        signer: &S,
    ) -> Result<Published, PublishError> {
        let resource: ResourceId = asset
            .payload
            .resource_id
            .parse()
            .ok()
            .filter(|id: &ResourceId| id.organization() == self.organization)
            .ok_or(PublishError::NotOurs)?;
        let content = Content::parse(text)?;
        if let Some(schema) = applied.schemas.get(&asset.uid) {
            schema::check(schema, content.members())?;
        }
        let opening = opening(&asset.payload.units)?;
        let fingerprint = version::fingerprint(&content, &asset.payload.units);

        // A poisoned lock means that another writer panicked before it wrote: nothing is half done.
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.current(&resource)?;
        if let Some(held) = held.as_ref().filter(|held| held.fingerprint == fingerprint) {
            return Ok(Published {
                version: held.version,
                hash: held.record.hash(),
                new: false,
            });
        }
        let next = version::next(held.as_ref());
        let claims = Claims {
            iss: self.organization.clone(),
            sub: resource.to_string(),
            ver: next,
            iat: u64::try_from(now.as_second()).unwrap_or(0),
            net: self.network.clone(),
        };
        let record = record::issue(&content, &opening, &claims, signer, &mut rand::rng())?;
        let published = Published {
            version: next,
            hash: record.hash(),
            new: true,
        };
        self.keep(
            &resource,
            &Held {
                version: next,
                fingerprint,
                record,
            },
        )?;
        Ok(published)
    }

    fn keep(&self, resource: &ResourceId, held: &Held) -> Result<(), PublishError> {
        let value = serde_json::to_vec(held).map_err(PublishError::Kept)?;
        self.store
            .commit(vec![Write::Put(key(resource)?, value.into())])?;
        let units: Arc<[String]> = units(&held.record).into();
        if self.remember(resource, &units).as_ref() != Some(&units) {
            // After the units themselves: whoever takes this sees them.
            self.changed().insert(resource.clone());
        }
        Ok(())
    }

    /// Returns what was remembered before.
    fn remember(&self, resource: &ResourceId, units: &Arc<[String]>) -> Option<Arc<[String]>> {
        let mut known = self.units.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(resource.clone(), Arc::clone(units))
    }
}

/// What the current record of an asset says, opened for the organization itself.
#[must_use]
pub fn units(record: &Record) -> Vec<String> {
    record
        .units()
        .iter()
        .map(|unit| unit.as_str().to_owned())
        .collect()
}

fn key(resource: &ResourceId) -> Result<Key, StoreError> {
    Key::new(Space::Record, resource.to_string())
}

fn opening(units: &[String]) -> Result<Opening, PublishError> {
    units
        .iter()
        .map(|unit| Pointer::parse(unit).map_err(PublishError::Units))
        .collect::<Result<_, _>>()
        .map(Opening::Objects)
}

/// What the report says of content that did not become a version.
pub(crate) fn exception(asset: &Entry<AssetEntry>, error: &PublishError) -> Exception {
    let reason = match error {
        PublishError::Source(ContentError::NotFound { .. }) => reasons::CONTENT_NOT_FOUND,
        PublishError::Source(ContentError::NotPermitted { .. }) => reasons::CONTENT_NOT_PERMITTED,
        PublishError::Source(ContentError::TooMany { .. }) => reasons::TOO_MANY_CONTENTS,
        _ => reasons::CONTENT_INVALID,
    };
    Exception {
        kind: "SharedAsset".to_owned(),
        name: asset.name.clone(),
        reason: reason.to_owned(),
        message: error.to_string().chars().take(1024).collect(),
    }
}
