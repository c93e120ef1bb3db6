//! One kind of object in one namespace, as the API server last told it.
//!
//! A cache is fed by a watch and by the operator's own writes, so that a plan never sees less than
//! what it wrote itself. Only a complete list replaces what is known: an error, a watch that ends
//! or a kind that is gone never reads as "no objects".

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::watcher::{self, DefaultBackoff, Event, watcher};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// What `kubectl apply` leaves on an object for itself.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Longest pause before a watch that failed begins again; the first is below a second.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// An object that this version cannot read: written under newer CRDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: Option<String>,
    /// Generation of its spec.
    pub generation: i64,
    /// What the decoder said; names fields, never values of Secrets.
    pub error: String,
}

#[derive(Clone, Debug)]
enum Seen<K> {
    Read(Arc<K>),
    Unreadable(Unreadable),
}

#[derive(Debug)]
struct Inner<K> {
    /// By name, with the resource version.
    objects: BTreeMap<String, (u64, Seen<K>)>,
    /// A list that is being read.
    listing: BTreeMap<String, (u64, Seen<K>)>,
    /// Objects that were seen to be deleted, as they were last; forgotten with the next list.
    removed: BTreeMap<String, Arc<K>>,
    is_complete: bool,
}

/// Most deleted objects that are remembered: somebody deletes a root, not thousands.
const REMOVED_MAX: usize = 64;

/// What a watch tells of an object: the whole of it, if it can be read, or its metadata.
pub trait Told<K> {
    /// The object.
    ///
    /// # Errors
    /// The metadata of one that this version cannot read.
    fn told(self) -> Result<K, Box<InvalidObject>>;
}

impl<K> Told<K> for DeserializeGuard<K> {
    fn told(self) -> Result<K, Box<InvalidObject>> {
        self.0.map_err(Box::new)
    }
}

impl<R> Told<Self> for PartialObjectMeta<R> {
    fn told(self) -> Result<Self, Box<InvalidObject>> {
        Ok(self)
    }
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Cache<K> {
    inner: Mutex<Inner<K>>,
    /// Whether `metadata.managedFields` is kept: half of an object, which few look at.
    keeps_managers: bool,
}

impl<K> Default for Inner<K> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            listing: BTreeMap::new(),
            removed: BTreeMap::new(),
            is_complete: false,
        }
    }
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            keeps_managers: false,
        }
    }
}

impl<K> Cache<K> {
    /// One that keeps who wrote which field.
    pub fn with_managers() -> Self {
        Self {
            keeps_managers: true,
            ..Self::default()
        }
    }
}

impl<K> Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// Follows the API server until the task is dropped; tells `changed` about every change, and
    /// `fares` about every error and every complete list.
    ///
    /// After an error everything is listed again. A watch that went on where it was would see
    /// nothing of an API server that was restored to an earlier time, until that has come as far.
    pub async fn follow<W>(
        self: Arc<Self>,
        api: Api<W>,
        config: watcher::Config,
        changed: watch::Sender<u64>,
        fares: impl Fn(Result<(), &watcher::Error>) + Send,
    ) where
        W: Told<K> + Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let mut pauses = DefaultBackoff::default();
        loop {
            let events = watcher(api.clone(), config.clone());
            futures::pin_mut!(events);
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        if matches!(event, Event::InitDone) {
                            fares(Ok(()));
                        }
                        if self.take(event) {
                            changed.send_modify(|n| *n = n.wrapping_add(1));
                        }
                    }
                    Err(error) => {
                        fares(Err(&error));
                        break;
                    }
                }
            }
            tokio::time::sleep(pauses.next().unwrap_or(PAUSE_MAX)).await;
        }
    }

    /// Takes one event. Returns whether something is different now.
    fn take<W: Told<K>>(&self, event: Event<W>) -> bool {
        let mut inner = self.inner();
        match event {
            Event::Init => {
                inner.listing.clear();
                false
            }
            Event::InitApply(object) => {
                let (name, seen) = self.read(object.told());
                inner.listing.insert(name, seen);
                false
            }
            Event::InitDone => {
                inner.objects = std::mem::take(&mut inner.listing);
                // What a list does not hold may never have been there: an API server restored to
                // an earlier time.
                inner.removed.clear();
                inner.is_complete = true;
                true
            }
            Event::Apply(object) => {
                let (name, seen) = self.read(object.told());
                put(&mut inner, name, seen)
            }
            Event::Delete(object) => {
                let (name, (version, _)) = self.read(object.told());
                let newer = inner
                    .objects
                    .get(&name)
                    .is_some_and(|(own, _)| *own > version);
                if newer {
                    return false;
                }
                let gone = inner.objects.remove(&name);
                if let (Some((_, Seen::Read(object))), true) =
                    (&gone, inner.removed.len() < REMOVED_MAX)
                {
                    inner.removed.insert(name, Arc::clone(object));
                }
                gone.is_some()
            }
        }
    }

    /// Takes what the API server answered to a write.
    pub fn wrote(&self, object: K) {
        let (name, seen) = self.read(Ok(object));
        put(&mut self.inner(), name, seen);
    }

    /// Takes note that an object was deleted.
    pub fn deleted(&self, name: &str) {
        self.inner().objects.remove(name);
    }

    /// Nothing is known any more, as before the first list.
    pub fn forget(&self) {
        *self.inner() = Inner::default();
    }

    /// Whether a first complete list was read.
    pub fn is_complete(&self) -> bool {
        self.inner().is_complete
    }

    /// All objects that can be read, by name.
    pub fn objects(&self) -> Vec<Arc<K>> {
        let inner = self.inner();
        let objects = inner.objects.values().filter_map(|(_, seen)| match seen {
            Seen::Read(object) => Some(Arc::clone(object)),
            Seen::Unreadable(_) => None,
        });
        objects.collect()
    }

    /// All objects that this version cannot read.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        let inner = self.inner();
        let objects = inner.objects.values().filter_map(|(_, seen)| match seen {
            Seen::Read(_) => None,
            Seen::Unreadable(unreadable) => Some(unreadable.clone()),
        });
        objects.collect()
    }

    /// One object.
    pub fn get(&self, name: &str) -> Option<Arc<K>> {
        match &self.inner().objects.get(name)?.1 {
            Seen::Read(object) => Some(Arc::clone(object)),
            Seen::Unreadable(_) => None,
        }
    }

    /// An object that was seen to be deleted and is not there again, as it was last.
    pub fn removed(&self, name: &str) -> Option<Arc<K>> {
        let inner = self.inner();
        let removed = inner.removed.get(name).map(Arc::clone);
        removed.filter(|_| !inner.objects.contains_key(name))
    }

    /// How many objects there are.
    pub fn count(&self) -> usize {
        self.inner().objects.len()
    }

    fn read(&self, object: Result<K, Box<InvalidObject>>) -> (String, (u64, Seen<K>)) {
        match object {
            Ok(mut object) => {
                if !self.keeps_managers {
                    object.meta_mut().managed_fields = None;
                    // The whole object once more, as text.
                    if let Some(annotations) = &mut object.meta_mut().annotations {
                        annotations.remove(LAST_APPLIED);
                    }
                }
                let version = version(object.meta().resource_version.as_deref());
                (object.name_any(), (version, Seen::Read(Arc::new(object))))
            }
            Err(invalid) => {
                let metadata = invalid.metadata;
                let name = metadata.name.unwrap_or_default();
                let unreadable = Unreadable {
                    name: name.clone(),
                    uid: metadata.uid,
                    generation: metadata.generation.unwrap_or(1),
                    error: invalid.error,
                };
                let version = version(metadata.resource_version.as_deref());
                (name, (version, Seen::Unreadable(unreadable)))
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<K>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts what is newer than what is known.
fn put<K>(inner: &mut Inner<K>, name: String, seen: (u64, Seen<K>)) -> bool {
    let known = inner.objects.get(&name).map(|(version, _)| *version);
    if known.is_some_and(|known| known >= seen.0) {
        return false;
    }
    inner.objects.insert(name, seen);
    true
}

/// Resource versions of one API server are numbers that grow (KEP-5504).
fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use finp2p_crds::SharingPolicy;
    use serde_json::json;

    use super::*;

    fn policy(name: &str, version: u64) -> DeserializeGuard<SharingPolicy> {
        serde_json::from_value(json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharingPolicy",
            "metadata": {"name": name, "resourceVersion": version.to_string(), "generation": version},
            "spec": {"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true}
        }))
        .unwrap()
    }

    fn versions(cache: &Cache<SharingPolicy>) -> Vec<(String, i64)> {
        let objects = cache.objects();
        objects
            .iter()
            .map(|o| (o.name_any(), o.metadata.generation.unwrap()))
            .collect()
    }

    #[test]
    fn a_list_that_is_not_complete_changes_nothing() {
        let cache = Cache::default();
        for event in [
            Event::<DeserializeGuard<SharingPolicy>>::Init,
            Event::InitApply(policy("a", 1)),
            Event::InitDone,
            Event::Init,
            Event::InitApply(policy("b", 2)),
        ] {
            cache.take(event);
        }
        assert_eq!(versions(&cache), [("a".to_owned(), 1)]);
        cache.take(Event::<DeserializeGuard<SharingPolicy>>::InitDone);
        assert_eq!(versions(&cache), [("b".to_owned(), 2)]);
    }

    #[test]
    fn what_was_written_is_not_forgotten_for_an_older_event() {
        let cache = Cache::default();
        cache.take(Event::Apply(policy("a", 5)));
        cache.wrote(policy("a", 7).0.unwrap());
        assert!(!cache.take(Event::Apply(policy("a", 6))));
        assert!(!cache.take(Event::Delete(policy("a", 6))));
        assert_eq!(versions(&cache), [("a".to_owned(), 7)]);
        assert!(cache.take(Event::Delete(policy("a", 8))));
        assert!(cache.objects().is_empty());
    }

    #[test]
    fn what_somebody_deleted_is_remembered_until_a_list_says_otherwise() {
        let cache = Cache::default();
        cache.take(Event::Apply(policy("a", 5)));
        cache.take(Event::Delete(policy("a", 6)));
        assert_eq!(
            cache.removed("a").map(|o| o.metadata.generation),
            Some(Some(5))
        );
        cache.take(Event::Apply(policy("a", 7)));
        assert!(cache.removed("a").is_none(), "it is there again");
        cache.take(Event::Delete(policy("a", 8)));
        cache.take(Event::<DeserializeGuard<SharingPolicy>>::Init);
        cache.take(Event::<DeserializeGuard<SharingPolicy>>::InitDone);
        assert!(cache.removed("a").is_none(), "a list knows nothing of it");
    }

    #[test]
    fn one_object_that_cannot_be_read_does_not_hide_the_others() {
        let cache = Cache::<SharingPolicy>::default();
        cache.take(Event::<DeserializeGuard<SharingPolicy>>::Init);
        cache.take(Event::InitApply(policy("a", 1)));
        let newer = json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharingPolicy",
            "metadata": {"name": "b", "resourceVersion": "2", "generation": 4},
            "spec": {"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true, "watermark": true}
        });
        let newer: DeserializeGuard<SharingPolicy> = serde_json::from_value(newer).unwrap();
        cache.take(Event::InitApply(newer));
        cache.take(Event::<DeserializeGuard<SharingPolicy>>::InitDone);
        assert_eq!(versions(&cache), [("a".to_owned(), 1)]);
        let [unreadable] = cache.unreadable().try_into().unwrap();
        assert_eq!((unreadable.name.as_str(), unreadable.generation), ("b", 4));
        assert!(unreadable.error.contains("watermark"), "{unreadable:?}");
    }
}
