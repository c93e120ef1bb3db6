//! What an API server would have noted on each object: since when it exists, and how often its
//! spec was edited. Files hold neither, and both go into statuses and audit entries, so they are
//! kept across restarts and never go back. Since when also decides which of two objects that claim
//! the same is the older one: not the one that sorts first, but the one that was there.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::manifest::{Folder, Manifest, Namespace, Object};

/// Most objects that are remembered after they were deleted, so that one that comes back counts
/// on. The scale goal; whoever deletes more starts some of them again at 1.
const DELETED_MAX: usize = 10_000;

/// Notes on the objects of every namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Registers(BTreeMap<String, Register>);

impl Registers {
    /// Notes what one reading found at `now`, and writes the notes into its objects.
    pub fn note(&mut self, folder: &mut Folder, now: Timestamp) {
        let last = self.0.values().filter_map(Register::last_reading).max();
        let reading = last.unwrap_or(0) + 1;
        for (name, register) in &mut self.0 {
            // Deleting a folder deletes its objects.
            if !folder.namespaces.iter().any(|n| n.name == *name) {
                register.note(&mut Namespace::default(), reading, now);
            }
        }
        for namespace in &mut folder.namespaces {
            let register = self.0.entry(namespace.name.clone()).or_default();
            register.note(namespace, reading, now);
        }
    }
}

/// Notes on the objects of one namespace, by uid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Register(BTreeMap<String, Note>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    /// How often the spec was edited, from 1.
    generation: i64,
    /// SHA-256 of the spec, hex.
    spec: String,
    /// The reading in which it was first seen. Of two objects that claim the same the earlier
    /// stays; clocks can be set, so this does not ask one.
    since: u64,
    /// Since when it exists.
    created: Timestamp,
    /// Whether it was there at the last look.
    #[serde(default = "there", skip_serializing_if = "is_there")]
    there: bool,
}

fn there() -> bool {
    true
}

// serde gives a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_there(there: &bool) -> bool {
    *there
}

impl Register {
    fn last_reading(&self) -> Option<u64> {
        self.0.values().map(|note| note.since).max()
    }

    fn note(&mut self, namespace: &mut Namespace, reading: u64, now: Timestamp) {
        let mut seen = BTreeSet::new();
        for object in &mut namespace.objects {
            let uid = object.id.uid();
            let spec = match &object.manifest {
                Manifest::PeerOrganization(o) => digest(&o.spec),
                Manifest::SharedAsset(o) => digest(&o.spec),
                Manifest::SharingPolicy(o) => digest(&o.spec),
                Manifest::Secret(_) | Manifest::ConfigMap(_) => continue,
            };
            let note = self.existing(&uid, reading, now);
            if note.spec != spec {
                note.generation += 1;
                note.spec = spec;
            }
            note.write_into(object);
            seen.insert(uid);
        }
        // None of several manifests is an edit: what was noted stays.
        let disputes = namespace.disputed.values_mut();
        for object in disputes.flat_map(|dispute| dispute.claimants_mut()) {
            let uid = object.id.uid();
            self.existing(&uid, reading, now).write_into(object);
            seen.insert(uid);
        }
        for (uid, note) in &mut self.0 {
            note.there = seen.contains(uid);
        }
        self.forget_surplus();
    }

    /// The note on an object that is there. One that comes back is young again, and counts on.
    fn existing(&mut self, uid: &str, reading: u64, now: Timestamp) -> &mut Note {
        let note = self.0.entry(uid.to_owned()).or_insert_with(|| Note {
            generation: 0,
            spec: String::new(),
            since: reading,
            created: now,
            there: true,
        });
        if !note.there {
            note.since = reading;
            note.created = now;
            note.there = true;
        }
        note
    }

    fn forget_surplus(&mut self) {
        let deleted = self.0.values().filter(|note| !note.there).count();
        let mut surplus = deleted.saturating_sub(DELETED_MAX);
        self.0.retain(|_, note| {
            let forget = !note.there && surplus > 0;
            surplus -= usize::from(forget);
            !forget
        });
    }
}

impl Note {
    fn write_into(&self, object: &mut Object) {
        object.since = self.since;
        if let Some(metadata) = object.metadata_mut() {
            metadata.generation = Some(self.generation.max(1));
            metadata.creation_timestamp = Some(Time(self.created));
        }
    }
}

fn digest(spec: &impl Serialize) -> String {
    // A spec has a JSON form: it was read from one.
    let json = serde_json::to_vec(spec).unwrap_or_default();
    hex::encode(Sha256::digest(json))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Dispute;
    use crate::validate::Checker;

    fn namespace(spec: &str) -> Namespace {
        let text = format!(
            "apiVersion: sharing.finp2p.io/v1alpha1\nkind: SharedAsset\nmetadata: {{name: bond, namespace: bank-a}}\nspec: {spec}\n"
        );
        let checker = Checker::new().unwrap();
        let folder = checker.read_paths(&["-".into()], text.as_bytes());
        assert_eq!(folder.findings, vec![]);
        folder.namespaces.into_iter().next().unwrap()
    }

    fn noted(registers: &mut Registers, namespace: Namespace, second: i64) -> (i64, i64, u64) {
        let namespace = note(registers, vec![namespace], second).remove(0);
        let object = &namespace.objects[0];
        let Manifest::SharedAsset(asset) = &object.manifest else {
            panic!("not an asset");
        };
        let created = asset.metadata.creation_timestamp.clone().unwrap();
        let generation = asset.metadata.generation.unwrap();
        (generation, created.0.as_second(), object.since)
    }

    fn note(registers: &mut Registers, namespaces: Vec<Namespace>, second: i64) -> Vec<Namespace> {
        let mut folder = Folder {
            namespaces,
            ..Folder::default()
        };
        registers.note(&mut folder, Timestamp::from_second(second).unwrap());
        folder.namespaces
    }

    #[test]
    fn an_edit_of_the_spec_counts_and_a_restart_does_not() {
        let one = || namespace("{assetId: A, content: {api: {}}}");
        let other = || namespace("{assetId: A, content: {api: {}}, units: [/x]}");
        let mut registers = Registers::default();
        assert_eq!(noted(&mut registers, one(), 10), (1, 10, 1));
        assert_eq!(noted(&mut registers, one(), 20), (1, 10, 1));
        assert_eq!(noted(&mut registers, other(), 30), (2, 10, 1));
        let text = serde_json::to_string(&registers).unwrap();
        let mut restarted: Registers = serde_json::from_str(&text).unwrap();
        assert_eq!(restarted, registers);
        assert_eq!(noted(&mut restarted, other(), 40), (2, 10, 1));
    }

    #[test]
    fn an_object_that_comes_back_counts_on_and_is_young_again() {
        let mut registers = Registers::default();
        let bond = || namespace("{assetId: A, content: {api: {}}}");
        noted(&mut registers, bond(), 10);
        note(&mut registers, Vec::new(), 20);
        let back = noted(&mut registers, bond(), 30);
        assert_eq!(back, (1, 30, 2), "the same spec");
        let other = namespace("{assetId: A, content: {api: {}}, units: [/x]}");
        assert_eq!(noted(&mut registers, other, 40), (2, 30, 2));
    }

    #[test]
    fn what_came_later_is_younger_whatever_the_clock_says() {
        let mut registers = Registers::default();
        let bond = namespace("{assetId: A, content: {api: {}}}");
        let mut copy = bond.clone();
        copy.name = "aaa".to_owned();
        copy.objects[0].id.namespace = "aaa".to_owned();
        note(&mut registers, vec![bond.clone()], 1_000);
        let both = note(&mut registers, vec![copy, bond], 10);
        let since: Vec<u64> = both.iter().map(|n| n.objects[0].since).collect();
        assert_eq!(since, [2, 1]);
    }

    #[test]
    fn a_name_in_doubt_is_as_old_as_before_and_no_edit() {
        let mut registers = Registers::default();
        let bond = || namespace("{assetId: A, content: {api: {}}}");
        noted(&mut registers, bond(), 10);
        let mut doubt = bond();
        let objects = std::mem::take(&mut doubt.objects);
        let dispute = Dispute {
            objects,
            ..Dispute::default()
        };
        let id = dispute.objects[0].id.clone();
        doubt.disputed.insert(id, dispute);
        let noted_then = note(&mut registers, vec![doubt], 20);
        let object = &noted_then[0].disputed.values().next().unwrap().objects[0];
        assert_eq!(object.since, 1);
        let other = namespace("{assetId: A, content: {api: {}}, units: [/x]}");
        assert_eq!(noted(&mut registers, other, 30), (2, 10, 1));
    }
}
