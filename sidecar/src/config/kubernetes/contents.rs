//! Secrets and ConfigMaps that the applied assets take their content from: each followed by its
//! exact name, because the node may read no others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use finp2p_crds::content::{OBJECTS_MAX, objects};
use finp2p_crds::shared_asset::Content;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::Rhythm;
use super::follow::{Follower, follow};
use super::server::{Collection, Object, Server, ServerError};
use crate::config::Stamp;
use crate::config::content::{self, ContentError, ContentObject, SECRET};

/// So many refusals in a row are told: the operator may write the right a moment after the slice
/// that needs it.
const REFUSALS_TOLD: u32 = 4;

/// Kind and name.
type Name = (&'static str, String);

/// The followed objects.
#[derive(Debug)]
pub struct Contents {
    server: Server,
    namespace: String,
    rhythm: Rhythm,
    runtime: Handle,
    doubt: watch::Sender<u64>,
    slots: Arc<Slots>,
}

#[derive(Debug)]
struct Slots {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Grows with every change of any object.
    changes: u64,
    slots: BTreeMap<Name, Slot>,
}

#[derive(Debug)]
struct Slot {
    /// When it changed last, in `changes`.
    stamp: u64,
    held: Held,
    task: AbortHandle,
}

/// What is known of an object. Its values are wiped when it is replaced.
#[derive(Debug)]
enum Held {
    /// Not read yet.
    Pending,
    /// There is none.
    Absent,
    /// The node may not read it.
    Forbidden,
    /// As it is.
    Present(ContentObject),
}

impl Contents {
    /// Nothing is followed yet; `doubt` makes every followed object be read anew.
    #[must_use]
    pub fn new(
        server: Server,
        namespace: String,
        rhythm: Rhythm,
        doubt: watch::Sender<u64>,
        changes: watch::Sender<u64>,
    ) -> Self {
        Self {
            server,
            namespace,
            rhythm,
            runtime: Handle::current(),
            doubt,
            slots: Arc::new(Slots {
                state: Mutex::default(),
                changes,
            }),
        }
    }

    /// Follows these and no others. They are no more than the operator gave rights to: what is too
    /// much it left out by the same function, which knows what is older.
    pub fn follow(&self, contents: &[&Content]) {
        let wanted: BTreeSet<Name> = objects(contents.iter().copied())
            .into_iter()
            .map(|(kind, name)| (kind, name.to_owned()))
            .collect();
        let mut state = self.slots.state();
        state.slots.retain(|name, slot| {
            let stays = wanted.contains(name);
            if !stays {
                slot.task.abort();
            }
            stays
        });
        for name in wanted {
            state.slots.entry(name).or_insert_with_key(|name| Slot {
                stamp: 0,
                held: Held::Pending,
                task: self.start(name.clone()),
            });
        }
    }

    fn start(&self, name: Name) -> AbortHandle {
        let plural = if name.0 == SECRET {
            "secrets"
        } else {
            "configmaps"
        };
        let collection = Collection {
            path: format!("/api/v1/namespaces/{}/{plural}", self.namespace),
            only: Some(name.1.clone()),
        };
        let feed = Feed {
            name,
            slots: Arc::clone(&self.slots),
        };
        let task = follow(
            self.server.clone(),
            collection,
            feed,
            self.rhythm,
            self.doubt.subscribe(),
        );
        self.runtime.spawn(task).abort_handle()
    }

    /// Changes with any object.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp(vec![self.slots.state().changes])
    }

    /// Changes with the object behind `content`.
    #[must_use]
    pub fn stamp_of(&self, content: &Content) -> Stamp {
        let Ok((kind, reference)) = content::object(content) else {
            return Stamp::default();
        };
        let state = self.slots.state();
        let slot = state.slots.get(&(kind, reference.name.clone()));
        Stamp(slot.map(|slot| slot.stamp).into_iter().collect())
    }

    /// The bytes behind `content`.
    ///
    /// # Errors
    /// [`ContentError`]; [`ContentError::Pending`] until the API server has answered once.
    pub fn read(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let (kind, reference) = content::object(content)?;
        let name = reference.name.clone();
        let state = self.slots.state();
        let Some(slot) = state.slots.get(&(kind, name.clone())) else {
            return Err(ContentError::TooMany {
                kind,
                name,
                max: OBJECTS_MAX,
            });
        };
        match &slot.held {
            Held::Pending => Err(ContentError::Pending { kind, name }),
            Held::Absent => Err(content::not_found(kind, reference)),
            Held::Forbidden => Err(ContentError::Forbidden { kind, name }),
            Held::Present(object) => object.value(kind, reference),
        }
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        for slot in self.slots.state().slots.values() {
            slot.task.abort();
        }
    }
}

impl Slots {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: &Name, held: Held) {
        {
            let mut state = self.state();
            let next = state.changes.wrapping_add(1);
            let Some(slot) = state.slots.get_mut(name) else {
                return; // no longer followed
            };
            slot.held = held;
            slot.stamp = next;
            state.changes = next;
        }
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }
}

/// Feeds one slot.
struct Feed {
    name: Name,
    slots: Arc<Slots>,
}

impl Object for ContentObject {
    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl Follower for Feed {
    type Object = ContentObject;

    fn max_objects(&self) -> usize {
        1
    }

    fn listed(&mut self, mut objects: Vec<ContentObject>) {
        match objects.pop() {
            Some(object) => self.put(object),
            None => self.gone(&self.name.1.clone()),
        }
    }

    fn put(&mut self, object: ContentObject) {
        if object.name() != self.name.1 {
            return;
        }
        let same = {
            let state = self.slots.state();
            let held = state.slots.get(&self.name).map(|slot| &slot.held);
            matches!(held, Some(Held::Present(known)) if known.version() == object.version())
        };
        if !same {
            self.slots.set(&self.name, Held::Present(object));
        }
    }

    fn gone(&mut self, _name: &str) {
        let absent = {
            let state = self.slots.state();
            let held = state.slots.get(&self.name).map(|slot| &slot.held);
            matches!(held, Some(Held::Absent))
        };
        if !absent {
            self.slots.set(&self.name, Held::Absent);
        }
    }

    fn failed(&mut self, error: &ServerError, times: u32) {
        let (kind, name) = &self.name;
        match error {
            ServerError::Forbidden(_) if times == REFUSALS_TOLD => {
                tracing::warn!(kind, name, "{}", super::explain(error));
                self.slots.set(&self.name, Held::Forbidden);
            }
            // Told once, for the configuration itself.
            _ => tracing::debug!(kind, name, "{}", super::explain(error)),
        }
    }
}
