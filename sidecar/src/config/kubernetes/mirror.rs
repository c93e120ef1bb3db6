//! What the namespace holds of this node's configuration: the root by its name, and slices. Fed
//! by a watch, read by the node's looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use finp2p_crds::sidecar_config::{SET_MAX_SLICES, SidecarConfigStatus};
use finp2p_crds::{SidecarConfig, SidecarConfigSpec};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use super::follow::Follower;
use super::server::{Object, ServerError};
use crate::clock::Clock;
use crate::config::{Reading, SourceError, Stamp};

/// Most SidecarConfigs in the namespace: a set that is being replaced by another one, both as
/// large as they may be, and the root.
const MAX_OBJECTS: usize = 2 * SET_MAX_SLICES + 1;

/// A SidecarConfig as it comes: decoded later and alone, so that one that this version does not
/// understand does not hide the others.
#[derive(Deserialize)]
pub struct Raw {
    metadata: Meta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Option<Value>,
}

/// The part of an object's metadata that is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    resource_version: String,
}

impl Object for Raw {
    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// An object as it was seen last.
#[derive(Clone, Debug)]
struct Kept {
    version: String,
    uid: String,
    generation: i64,
    /// `None` when this version does not understand it.
    object: Option<Arc<SidecarConfig>>,
}

impl Kept {
    /// Decodes an object. What it says the same as in `known` stays the same allocation, and tells
    /// so: only its report changed, or nothing at all.
    fn decode(raw: &Raw, known: Option<&Self>) -> (Self, bool) {
        let meta = &raw.metadata;
        let same = known.filter(|k| k.uid == meta.uid && k.generation == meta.generation);
        if let Some(known) = same.filter(|known| known.version == meta.resource_version) {
            return (known.clone(), true);
        }
        let spec = SidecarConfigSpec::deserialize(&raw.spec).ok();
        // After a restore of the control plane the same generation may say something else.
        let same = same.and_then(|known| known.object.as_ref());
        let same = same.filter(|object| Some(&object.spec) == spec.as_ref());
        let kept = |object| Self {
            version: meta.resource_version.clone(),
            uid: meta.uid.clone(),
            generation: meta.generation,
            object,
        };
        if let Some(object) = same {
            return (kept(Some(Arc::clone(object))), true);
        }
        let object = spec.map(|spec| {
            let mut object = SidecarConfig::new(&meta.name, spec);
            object.metadata.uid = Some(meta.uid.clone());
            object.metadata.generation = Some(meta.generation);
            Arc::new(object)
        });
        (kept(object), false)
    }
}

/// What is known of the root beside its spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RootSeen {
    /// Uid and `resourceVersion` of the root; `None` when there is none.
    pub object: Option<(String, String)>,
    /// The report that stands there.
    pub status: Option<SidecarConfigStatus>,
    /// How often the namespace was listed: what a list shows is true, even when it is older than
    /// what was seen before (the control plane went back in time).
    pub lists: u64,
}

#[derive(Debug, Default)]
struct State {
    /// Grows with every change of what [`Mirror::read`] gives.
    changes: u64,
    listed: bool,
    objects: BTreeMap<String, Kept>,
    trouble: Option<String>,
    contact: Option<Timestamp>,
}

/// The mirror. Shared by the watch, the probe, the report and the node.
#[derive(Debug)]
pub struct Mirror {
    root: String,
    namespace: String,
    clock: Clock,
    state: Mutex<State>,
    /// Rings when configuration or contents were replaced.
    changes: watch::Sender<u64>,
    seen: watch::Sender<RootSeen>,
}

impl Mirror {
    /// Of the configuration `root` in `namespace`; empty.
    #[must_use]
    pub fn new(root: String, namespace: String, clock: Clock, changes: watch::Sender<u64>) -> Self {
        Self {
            root,
            namespace,
            clock,
            state: Mutex::default(),
            changes,
            seen: watch::Sender::default(),
        }
    }

    /// Changes with what [`Mirror::read`] gives.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp(vec![self.state().changes])
    }

    /// When the API server last said that the root is what the mirror holds.
    #[must_use]
    pub fn contact(&self) -> Option<Timestamp> {
        self.state().contact
    }

    /// What stands at the root beside its spec.
    #[must_use]
    pub fn seen(&self) -> watch::Receiver<RootSeen> {
        self.seen.subscribe()
    }

    /// Whether the root is known in this version.
    #[must_use]
    pub fn has(&self, uid: &str, version: &str) -> bool {
        let seen = self.seen.borrow();
        let known = seen.object.as_ref();
        known.is_some_and(|(u, v)| u == uid && v == version)
    }

    /// The API server holds what the mirror holds.
    pub fn confirmed(&self) {
        let now = self.clock.now();
        let has_root = self.seen.borrow().object.is_some();
        let mut state = self.state();
        if has_root {
            state.contact = Some(now);
        }
    }

    /// Root and slices as they are now.
    ///
    /// # Errors
    /// [`SourceError`] while they were not read, there is no root, or it is not understood.
    pub fn read(&self) -> Result<Reading, SourceError> {
        let state = self.state();
        let (root, namespace) = (&self.root, &self.namespace);
        if !state.listed {
            let why = state.trouble.as_deref().unwrap_or("it was only just asked");
            return Err(SourceError(format!(
                "SidecarConfigs in namespace {namespace} were not read yet: {why}"
            )));
        }
        let unknown = |name: &str| {
            SourceError(format!(
                "SidecarConfig {name} in namespace {namespace} says what this version does not understand: bring operator and sidecar to the same version"
            ))
        };
        let root = match state.objects.get(root) {
            Some(Kept {
                object: Some(root), ..
            }) => Arc::clone(root),
            Some(_) => return Err(unknown(root)),
            None => {
                return Err(SourceError(format!(
                    "there is no SidecarConfig {root} in namespace {namespace}: the operator writes it for a PeerOrganization with spec.node whose organization id is {root}"
                )));
            }
        };
        let mut slices = Vec::new();
        let names = root.spec.root.iter().flat_map(|root| &root.slices);
        for name in names.take(SET_MAX_SLICES + 1) {
            if let Some(kept) = state.objects.get(name) {
                let slice = kept.object.as_ref().ok_or_else(|| unknown(name))?;
                slices.push(Arc::clone(slice));
            }
        }
        Ok(Reading { root, slices })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, name: &str) -> bool {
        let rest = name.strip_prefix(self.root.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// Changes what [`Mirror::read`] gives, and rings.
    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.state();
            change(&mut state);
            state.changes = state.changes.wrapping_add(1);
        }
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// The API server answers.
    fn well(&self) {
        if self.state().trouble.take().is_some() {
            tracing::info!("SidecarConfigs of this node are followed again");
        }
        self.confirmed();
    }

    /// Takes note of the root's version and report. Never rings: both change with each report.
    fn see(&self, root: Option<&Raw>, by_list: bool) {
        let lists = self.seen.borrow().lists.wrapping_add(u64::from(by_list));
        let seen = RootSeen {
            object: root.map(|root| {
                let meta = &root.metadata;
                (meta.uid.clone(), meta.resource_version.clone())
            }),
            status: root
                .and_then(|root| root.status.as_ref())
                .and_then(|status| SidecarConfigStatus::deserialize(status).ok()),
            lists,
        };
        self.seen.send_if_modified(|known| {
            let changed = *known != seen;
            *known = seen;
            changed
        });
    }
}

/// Feeds the mirror.
#[derive(Clone, Debug)]
pub struct Feed(pub Arc<Mirror>);

impl Follower for Feed {
    type Object = Raw;

    fn max_objects(&self) -> usize {
        MAX_OBJECTS
    }

    fn listed(&mut self, objects: Vec<Raw>) {
        let mirror = &*self.0;
        mirror.see(objects.iter().find(|raw| raw.name() == mirror.root), true);
        // Nobody else changes the objects: they may be decoded without the lock.
        let (known, listed) = {
            let state = mirror.state();
            (state.objects.clone(), state.listed)
        };
        let mut same = listed;
        let mut now = BTreeMap::new();
        for raw in objects.iter().filter(|raw| mirror.is_ours(raw.name())) {
            let (kept, unchanged) = Kept::decode(raw, known.get(raw.name()));
            same &= unchanged;
            now.insert(raw.metadata.name.clone(), kept);
        }
        same &= now.len() == known.len();
        mirror.well();
        if same {
            mirror.state().objects = now;
        } else {
            mirror.change(|state| {
                state.objects = now;
                state.listed = true;
            });
        }
    }

    fn put(&mut self, raw: Raw) {
        let mirror = &*self.0;
        if raw.name() == mirror.root {
            mirror.see(Some(&raw), false);
        }
        if !mirror.is_ours(raw.name()) {
            return;
        }
        let (known, count) = {
            let state = mirror.state();
            (state.objects.get(raw.name()).cloned(), state.objects.len())
        };
        if known.is_none() && count >= MAX_OBJECTS {
            tracing::error!(
                object = raw.name(),
                "more SidecarConfigs than a node can have"
            );
            return;
        }
        let (kept, unchanged) = Kept::decode(&raw, known.as_ref());
        let name = raw.metadata.name;
        if unchanged {
            mirror.state().objects.insert(name, kept);
        } else {
            mirror.change(|state| {
                state.objects.insert(name, kept);
            });
        }
    }

    fn gone(&mut self, name: &str) {
        let mirror = &*self.0;
        if name == mirror.root {
            mirror.see(None, false);
        }
        if mirror.state().objects.contains_key(name) {
            mirror.change(|state| {
                state.objects.remove(name);
            });
        }
    }

    fn alive(&mut self) {
        self.0.well();
    }

    fn failed(&mut self, error: &ServerError, _times: u32) {
        let mirror = &*self.0;
        // Where the watch stood is forgotten there: an ordinary event, mended by the next list.
        if matches!(error, ServerError::Gone) {
            return;
        }
        let what = super::explain(error);
        let listed = {
            let mut state = mirror.state();
            if state.trouble.as_ref() == Some(&what) {
                return;
            }
            state.trouble = Some(what.clone());
            state.listed
        };
        tracing::warn!("{what}: the configuration in force stays, and ages");
        if !listed {
            mirror.change(|_| {});
        }
    }
}
