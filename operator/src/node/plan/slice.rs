//! Slices: entries spread over stable buckets, so that an ordinary edit writes one object and
//! everything else stays as it was.
//!
//! The bucket of an object is a hash of its kind and uid, modulo a power of two. When a bucket
//! would overflow, the number doubles and all slices are written anew under the name of another
//! set; the root moves over, and the old slices go. The number never shrinks: a set name then
//! stands for one way of spreading, and a market that empties and fills does not rewrite itself.

use std::collections::BTreeMap;

use finp2p_crds::entry::{ASSET, PEER, POLICY};
use finp2p_crds::sidecar_config::{
    AppliedSlice, RawEntry, SET_MAX_SLICES, SLICE_MAX_BYTES, SLICE_MAX_ENTRIES, Slice,
};
use finp2p_crds::{SidecarConfig, SidecarConfigSpec};
use sha2::{Digest as _, Sha256};

use super::Planned;
use super::entry::{Entries, ObjectKey};
use super::root::metadata;
use crate::node::inputs::{Inputs, Previous};
use crate::node::validate::Local;

/// Bytes of a slice beside its entries: names of fields, the set, the bucket.
const SLICE_OVERHEAD_BYTES: usize = 512;

/// All entries, spread.
#[derive(Clone, Debug)]
pub struct Set {
    /// Name of the set.
    pub name: String,
    /// Objects by bucket, each bucket in the order of its keys.
    pub buckets: Vec<Vec<Entries>>,
    /// Objects for which there is no room, and why.
    pub left_out: BTreeMap<ObjectKey, String>,
}

/// What a plan must remember to say when an entry is in force. Losing it is harmless: entries
/// then count as changed when their slice was last written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    placements: BTreeMap<ObjectKey, Placement>,
}

/// Where the entries of an object stand, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placement {
    at: Written,
    /// The same entries in the set before, until the node has moved over.
    before: Option<Written>,
}

/// A slice in a generation: whoever has applied this one or a later one has the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    slice: String,
    generation: i64,
}

impl Memory {
    /// Whether the configuration holds entries of this object.
    pub fn holds(&self, key: &ObjectKey) -> bool {
        self.placements.contains_key(key)
    }

    /// Whether a node that applied these slices works with the object as it is now.
    pub fn is_applied(&self, key: &ObjectKey, applied: &Applied<'_>) -> bool {
        self.placements.get(key).is_some_and(|placement| {
            let written = [Some(&placement.at), placement.before.as_ref()];
            written
                .into_iter()
                .flatten()
                .any(|w| applied.has(&w.slice, w.generation))
        })
    }
}

/// The slices that a node has applied, by name.
#[derive(Clone, Debug, Default)]
pub struct Applied<'r>(BTreeMap<&'r str, i64>);

impl<'r> Applied<'r> {
    /// Indexes a node's report.
    pub fn new(report: &'r [AppliedSlice]) -> Self {
        Self(
            report
                .iter()
                .map(|row| (row.slice.as_str(), row.generation))
                .collect(),
        )
    }

    /// Whether this slice was applied in this generation or a later one.
    pub fn has(&self, slice: &str, generation: i64) -> bool {
        self.0
            .get(slice)
            .is_some_and(|&applied| applied >= generation)
    }
}

/// Name of the set that spreads entries over so many buckets.
fn set_name(buckets: usize) -> String {
    format!("s{buckets}")
}

fn slice_name(organization_id: &str, set: &str, bucket: usize) -> String {
    format!("{organization_id}-{set}-{bucket}")
}

/// The bucket of an object; `buckets` is a power of two.
fn bucket(key: &ObjectKey, buckets: usize) -> usize {
    let mut hash = Sha256::new();
    hash.update(key.kind);
    hash.update([0]);
    hash.update(&key.uid);
    let digest: [u8; 32] = hash.finalize().into();
    let head = digest
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    // The remainder is below `buckets`, which is a usize.
    usize::try_from(head % (buckets.max(1) as u64)).unwrap_or(0)
}

/// An object's entries with what they take of a slice.
struct Weighed {
    entries: Entries,
    bytes: usize,
}

impl Weighed {
    fn new(entries: Entries) -> Self {
        let size =
            |entry: &RawEntry| serde_json::to_vec(entry).map_or(usize::MAX, |json| json.len());
        let bytes = entries.entries.iter().fold(0usize, |sum, e| {
            sum.saturating_add(size(e)).saturating_add(1)
        });
        Self { entries, bytes }
    }
}

/// Room that is left in a bucket.
#[derive(Clone, Copy)]
struct Room {
    entries: usize,
    bytes: usize,
}

impl Room {
    const WHOLE: Self = Self {
        entries: SLICE_MAX_ENTRIES,
        bytes: SLICE_MAX_BYTES - SLICE_OVERHEAD_BYTES,
    };

    fn holds(mut self, weighed: &Weighed) -> bool {
        self.take(weighed)
    }

    fn take(&mut self, weighed: &Weighed) -> bool {
        let entries = self.entries.checked_sub(weighed.entries.entries.len());
        let bytes = self.bytes.checked_sub(weighed.bytes);
        match (entries, bytes) {
            (Some(entries), Some(bytes)) => {
                *self = Self { entries, bytes };
                true
            }
            _ => false,
        }
    }
}

/// Spreads the entries of all objects over as many buckets as there are now, or over more when
/// they do not fit.
pub fn spread(previous: Option<&Previous>, organization_id: &str, entries: Vec<Entries>) -> Set {
    let mut left_out = BTreeMap::new();
    let mut weighed: Vec<Weighed> = Vec::with_capacity(entries.len());
    for object in entries.into_iter().map(Weighed::new) {
        if Room::WHOLE.holds(&object) {
            weighed.push(object);
        } else {
            left_out.insert(object.entries.key, too_large(object.bytes));
        }
    }
    // Whoever came first keeps its place, should there ever be too many.
    weighed.sort_by(|a, b| (&a.entries.age, &a.entries.key).cmp(&(&b.entries.age, &b.entries.key)));

    let mut buckets = current_buckets(previous, organization_id);
    while buckets < SET_MAX_SLICES && !fits(&weighed, buckets) {
        buckets *= 2;
    }
    let mut rooms = vec![Room::WHOLE; buckets];
    let mut spread: Vec<Vec<Entries>> = vec![Vec::new(); buckets];
    for object in weighed {
        let number = bucket(&object.entries.key, buckets);
        let taken = rooms.get_mut(number).is_some_and(|room| room.take(&object));
        match spread.get_mut(number).filter(|_| taken) {
            Some(slice) => slice.push(object.entries),
            None => {
                left_out.insert(object.entries.key, too_many());
            }
        }
    }
    for slice in &mut spread {
        slice.sort_by(|a, b| a.key.cmp(&b.key));
    }
    Set {
        name: set_name(buckets),
        buckets: spread,
        left_out,
    }
}

fn fits(weighed: &[Weighed], buckets: usize) -> bool {
    let mut rooms = vec![Room::WHOLE; buckets];
    weighed.iter().all(|object| {
        rooms
            .get_mut(bucket(&object.entries.key, buckets))
            .is_some_and(|room| room.take(object))
    })
}

/// The number of buckets of the current set, if the root is of this organization and well made.
fn current_buckets(previous: Option<&Previous>, organization_id: &str) -> usize {
    previous
        .and_then(|previous| previous.root.spec.root.as_ref())
        .filter(|root| root.organization_id == organization_id)
        .map(|root| (root.slices.len(), &root.set))
        .filter(|(n, set)| n.is_power_of_two() && *n <= SET_MAX_SLICES && **set == set_name(*n))
        .map_or(1, |(n, _)| n)
}

fn too_large(bytes: usize) -> String {
    format!(
        "it takes {} KiB of the node's configuration, and one object may take {}: shorten its longest texts or lists",
        bytes.div_ceil(1024),
        Room::WHOLE.bytes / 1024
    )
}

fn too_many() -> String {
    "the namespace holds more objects than one node can be configured with: delete some, or move them to a namespace of another organization".to_owned()
}

/// The slices as objects, each marked whether it must be written, and where each entry stands.
pub fn place(inputs: &Inputs, local: &Local<'_>, set: &Set) -> (Vec<Planned>, Memory) {
    let before = Before::new(inputs.previous.as_ref());
    let mut memory = Memory::default();
    let mut slices = Vec::with_capacity(set.buckets.len());
    for (number, objects) in set.buckets.iter().enumerate() {
        let name = slice_name(&local.id, &set.name, number);
        let entries = objects
            .iter()
            .flat_map(|object| object.entries.iter().cloned())
            .collect();
        let slice = Slice {
            set: set.name.clone(),
            // At most SET_MAX_SLICES, which is 4096.
            bucket: i32::try_from(number).unwrap_or(i32::MAX),
            entries,
        };
        let mut config = SidecarConfig {
            metadata: metadata(inputs, Some(local), name.clone()),
            spec: SidecarConfigSpec {
                root: None,
                slice: Some(slice),
            },
            status: None,
        };
        let existing = before.slices.get(name.as_str()).copied();
        let (changed, generation) = written(&config, existing);
        config.metadata.generation = Some(generation);
        for object in objects {
            let placement = before.placement(object, &name, generation);
            memory.placements.insert(object.key.clone(), placement);
        }
        slices.push(Planned { config, changed });
    }
    (slices, memory)
}

/// Whether an object must be written, and the generation it has afterwards.
pub fn written(planned: &SidecarConfig, existing: Option<&SidecarConfig>) -> (bool, i64) {
    let Some(existing) = existing else {
        return (true, 1);
    };
    let generation = existing.metadata.generation.unwrap_or(1);
    if existing.spec != planned.spec {
        return (true, generation + 1);
    }
    let owner = |config: &SidecarConfig| config.metadata.owner_references.clone();
    (owner(existing) != owner(planned), generation)
}

/// Slices that exist and that the set does not need.
pub fn obsolete(previous: Option<&Previous>, slices: &[Planned]) -> Vec<String> {
    let kept: Vec<Option<&str>> = slices
        .iter()
        .map(|s| s.config.metadata.name.as_deref())
        .collect();
    let existing = previous.iter().flat_map(|previous| &previous.slices);
    let mut names: Vec<String> = existing
        .filter(|slice| !kept.contains(&slice.metadata.name.as_deref()))
        .filter_map(|slice| slice.metadata.name.clone())
        .collect();
    names.sort();
    names
}

/// The configuration that exists, by name and by object.
struct Before<'p> {
    slices: BTreeMap<&'p str, &'p SidecarConfig>,
    objects: BTreeMap<ObjectKey, (&'p str, i64, Vec<&'p RawEntry>)>,
    memory: Option<&'p Memory>,
}

impl<'p> Before<'p> {
    fn new(previous: Option<&'p Previous>) -> Self {
        let mut before = Self {
            slices: BTreeMap::new(),
            objects: BTreeMap::new(),
            memory: previous.map(|previous| &previous.memory),
        };
        for config in previous.iter().flat_map(|previous| &previous.slices) {
            before
                .slices
                .insert(config.metadata.name.as_deref().unwrap_or_default(), config);
        }
        let root = previous.and_then(|previous| previous.root.spec.root.as_ref());
        for name in root.iter().flat_map(|root| &root.slices) {
            let Some((&name, config)) = before.slices.get_key_value(name.as_str()) else {
                continue;
            };
            let generation = config.metadata.generation.unwrap_or(1);
            for entry in config.spec.slice.iter().flat_map(|slice| &slice.entries) {
                let Some(key) = object_of(entry) else {
                    continue;
                };
                let found = before
                    .objects
                    .entry(key)
                    .or_insert((name, generation, Vec::new()));
                found.2.push(entry);
            }
        }
        before
    }

    /// Where an object stands that is now in this slice, which has this generation once written.
    fn placement(&self, object: &Entries, slice: &str, generation: i64) -> Placement {
        let here = Written {
            slice: slice.to_owned(),
            generation,
        };
        let same = self.objects.get(&object.key).filter(|(_, _, entries)| {
            entries.len() == object.entries.len()
                && entries.iter().zip(&object.entries).all(|(a, b)| **a == *b)
        });
        let Some((from, generation, _)) = same else {
            return Placement {
                at: here,
                before: None,
            };
        };
        let from = Written {
            slice: (*from).to_owned(),
            generation: *generation,
        };
        let known = self
            .memory
            .and_then(|memory| memory.placements.get(&object.key));
        let known = known
            .filter(|known| known.at.slice == from.slice && known.at.generation <= from.generation);
        match known {
            Some(known) if from.slice == slice => known.clone(),
            Some(known) => Placement {
                at: here,
                before: Some(known.at.clone()),
            },
            None if from.slice == slice => Placement {
                at: from,
                before: None,
            },
            None => Placement {
                at: here,
                before: Some(from),
            },
        }
    }
}

/// The object behind an entry that this operator may have written.
fn object_of(entry: &RawEntry) -> Option<ObjectKey> {
    let kind = [PEER, POLICY, ASSET]
        .into_iter()
        .find(|kind| *kind == entry.kind);
    // Asset and Schema share an object.
    let kind = kind.or((entry.kind == finp2p_crds::entry::SCHEMA).then_some(ASSET))?;
    Some(ObjectKey {
        kind,
        uid: entry.uid.clone(),
    })
}
