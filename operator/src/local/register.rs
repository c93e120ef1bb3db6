//! What an API server would have noted on each object: since when it exists, and how often its
//! spec was edited. Files hold neither, and both go into statuses and audit entries, so they are
//! kept across restarts and never go back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::manifest::{Manifest, Namespace};

/// Most objects that are remembered after they were deleted, so that one that comes back counts
/// on. The scale goal; whoever deletes more starts some of them again at 1.
const DELETED_MAX: usize = 10_000;

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
    /// Notes what a namespace holds at `now`, and writes the notes into its objects.
    pub fn note(&mut self, namespace: &mut Namespace, now: Timestamp) {
        self.0.values_mut().for_each(|note| note.there = false);
        for object in &mut namespace.objects {
            let uid = object.id.uid();
            match &mut object.manifest {
                Manifest::PeerOrganization(o) => self.one(uid, &o.spec, &mut o.metadata, now),
                Manifest::SharedAsset(o) => self.one(uid, &o.spec, &mut o.metadata, now),
                Manifest::SharingPolicy(o) => self.one(uid, &o.spec, &mut o.metadata, now),
                Manifest::Secret(_) | Manifest::ConfigMap(_) => {}
            }
        }
        let disputes = namespace.disputed.values_mut();
        for object in disputes.flat_map(|dispute| dispute.claimants_mut()) {
            let uid = object.id.uid();
            if let Some(metadata) = object.metadata_mut() {
                self.disputed(&uid, metadata, now);
            }
        }
        self.forget_surplus();
    }

    /// None of several manifests is an edit; what was noted stays.
    fn disputed(&mut self, uid: &str, meta: &mut ObjectMeta, now: Timestamp) {
        let note = self.0.get_mut(uid);
        let (generation, created) = note
            .as_ref()
            .map_or((1, now), |n| (n.generation, n.created));
        meta.generation = Some(generation);
        meta.creation_timestamp = Some(Time(created));
        if let Some(note) = note {
            note.there = true;
        }
    }

    fn one(&mut self, uid: String, spec: &impl Serialize, meta: &mut ObjectMeta, now: Timestamp) {
        let spec = digest(spec);
        let note = self.0.entry(uid).or_insert_with(|| Note {
            generation: 0,
            spec: String::new(),
            created: now,
            there: false,
        });
        if note.spec != spec {
            note.generation += 1;
            note.spec = spec;
        }
        note.there = true;
        meta.generation = Some(note.generation);
        meta.creation_timestamp = Some(Time(note.created));
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

fn digest(spec: &impl Serialize) -> String {
    // A spec has a JSON form: it was read from one.
    let json = serde_json::to_vec(spec).unwrap_or_default();
    hex::encode(Sha256::digest(json))
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn noted(register: &mut Register, mut namespace: Namespace, second: i64) -> (i64, i64) {
        register.note(&mut namespace, Timestamp::from_second(second).unwrap());
        let Manifest::SharedAsset(asset) = &namespace.objects[0].manifest else {
            panic!("not an asset");
        };
        let created = asset.metadata.creation_timestamp.clone().unwrap();
        (asset.metadata.generation.unwrap(), created.0.as_second())
    }

    #[test]
    fn an_edit_of_the_spec_counts_and_a_restart_does_not() {
        let one = || namespace("{assetId: A, content: {api: {}}}");
        let other = || namespace("{assetId: A, content: {api: {}}, units: [/x]}");
        let mut register = Register::default();
        assert_eq!(noted(&mut register, one(), 10), (1, 10));
        assert_eq!(noted(&mut register, one(), 20), (1, 10));
        assert_eq!(noted(&mut register, other(), 30), (2, 10));
        let text = serde_json::to_string(&register).unwrap();
        let mut restarted: Register = serde_json::from_str(&text).unwrap();
        assert_eq!(restarted, register);
        assert_eq!(noted(&mut restarted, other(), 40), (2, 10));
    }

    #[test]
    fn an_object_that_comes_back_counts_on() {
        let mut register = Register::default();
        let bond = || namespace("{assetId: A, content: {api: {}}}");
        noted(&mut register, bond(), 10);
        register.note(
            &mut Namespace::default(),
            Timestamp::from_second(20).unwrap(),
        );
        assert_eq!(noted(&mut register, bond(), 30).0, 1, "the same spec");
        let other = namespace("{assetId: A, content: {api: {}}, units: [/x]}");
        assert_eq!(noted(&mut register, other, 40).0, 2);
    }
}
