//! Random declarations, small enough that things meet, and pairs of them that have much in common.

use finp2p_crds::access::Facts;
use finp2p_crds::entry::{AssetEntry, Entry, PeerEntry, PolicyEntry};
use finp2p_crds::label::{LabelSelector, Labels};
use finp2p_crds::peer_organization::RootKey;
use finp2p_crds::sharing_policy::{Mode, Selection, SharingPolicySpec};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

pub const POINTERS: [&str; 8] = ["/a", "/b", "/b/c", "/b/d", "/e", "/e/f", "/e/f/g", "/ghost"];
/// Moments at which windows open and close; `now` is the first.
pub const MOMENTS: std::ops::Range<i64> = 0..12;

#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub peers: Vec<Entry<PeerEntry>>,
    pub policies: Vec<Entry<PolicyEntry>>,
    pub assets: Vec<Entry<AssetEntry>>,
}

impl Declared {
    pub fn facts(&self) -> Facts {
        let Self {
            peers,
            policies,
            assets,
        } = self.clone();
        Facts::new("us".to_owned(), peers, policies, assets)
    }
}

/// The content of every asset.
pub fn content() -> serde_json::Map<String, Value> {
    let content = json!({"a": 1, "b": {"c": 1, "d": 1}, "bb": 1, "e": {"f": {"g": 1}}});
    content.as_object().unwrap().clone()
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

pub fn entry<T>(name: &str, payload: T) -> Entry<T> {
    Entry {
        uid: format!("uid-{name}"),
        generation: 1,
        name: name.to_owned(),
        payload,
    }
}

pub fn root_key(id: &str) -> RootKey {
    RootKey {
        id: id.to_owned(),
        public_key: format!("the key {id}"),
        not_before: Time(at(0)),
        not_after: Time(at(1000)),
        verify_only: None,
        revoked_at: None,
    }
}

pub fn peer(name: &str, id: &str) -> Entry<PeerEntry> {
    let payload = PeerEntry {
        organization_id: id.to_owned(),
        keys: vec![root_key("2026-a")],
        ..PeerEntry::default()
    };
    entry(name, payload)
}

pub fn asset(name: &str, id: &str) -> Entry<AssetEntry> {
    let payload = AssetEntry {
        resource_id: format!("us:102:{id}"),
        ..AssetEntry::default()
    };
    entry(name, payload)
}

pub fn policy(name: &str, spec: SharingPolicySpec) -> Entry<PolicyEntry> {
    entry(name, PolicyEntry { spec, change: None })
}

/// A policy that lets every peer fetch every field of every asset.
pub fn open() -> SharingPolicySpec {
    SharingPolicySpec {
        assets: Some(everything()),
        users: None,
        peers: everything(),
        mode: Mode::Pull,
        fields: None,
        all_fields: Some(true),
        purposes: None,
        credentials: None,
        consent: None,
        not_before: None,
        not_after: None,
        retention_days: None,
        minimum_recipients: None,
        advertise: None,
        redistribute: None,
        lease_hours: None,
    }
}

pub fn everything() -> Selection {
    Selection {
        all: Some(true),
        ..Selection::default()
    }
}

pub fn named(names: &[&str]) -> Selection {
    Selection {
        names: Some(strings(names)),
        ..Selection::default()
    }
}

pub fn labelled(pairs: &[(&str, &str)]) -> Selection {
    let selector = LabelSelector {
        match_labels: labels(pairs),
        ..LabelSelector::default()
    };
    Selection {
        selector: Some(selector),
        ..Selection::default()
    }
}

fn some_labels() -> impl Strategy<Value = Labels> {
    select(vec![
        labels(&[]),
        labels(&[("desk", "x")]),
        labels(&[("desk", "x"), ("region", "eu")]),
        labels(&[("desk", "y")]),
    ])
}

fn selection(names: [&'static str; 4]) -> impl Strategy<Value = Selection> {
    prop_oneof![
        2 => Just(everything()),
        3 => subsequence(names.to_vec(), 1..=3).prop_map(|some| named(&some)),
        2 => Just(labelled(&[("desk", "x")])),
        1 => Just(labelled(&[("region", "eu")])),
    ]
}

pub fn some_policy() -> impl Strategy<Value = SharingPolicySpec> {
    let time = || prop::option::weighted(0.3, MOMENTS.prop_map(|second| Time(at(second))));
    let fields = subsequence(POINTERS.to_vec(), 1..=4).prop_map(|some| strings(&some));
    let purposes = subsequence(vec!["audit", "trade"], 1..=2).prop_map(|some| strings(&some));
    let who = (
        selection(["a0", "a1", "a2", "ghost"]),
        selection(["p0", "p1", "p2", "ghost"]),
    );
    let what = (
        select(vec![Mode::Pull, Mode::Push]),
        prop::option::weighted(0.7, fields),
        prop::option::weighted(0.4, purposes),
    );
    let flags = (
        prop::option::of(any::<bool>()),
        prop::option::of(any::<bool>()),
        0_u8..12,
    );
    (who, what, time(), time(), flags).prop_map(|(who, what, not_before, not_after, flags)| {
        SharingPolicySpec {
            assets: Some(who.0),
            peers: who.1,
            mode: what.0,
            all_fields: what.1.is_none().then_some(true),
            fields: what.1,
            purposes: what.2,
            not_before,
            not_after,
            advertise: flags.0,
            redistribute: flags.1,
            // Now and then one that is not enforced yet and grants nothing.
            retention_days: (flags.2 == 0).then_some(90),
            ..open()
        }
    })
}

fn some_peer(number: u8) -> impl Strategy<Value = Entry<PeerEntry>> {
    (some_labels(), 0_u8..10).prop_map(move |(labels, state)| {
        // Now and then suspended, without keys, or with the id of another one.
        let id = if state == 2 { 0 } else { number };
        let mut peer = peer(&format!("p{number}"), &format!("o{id}"));
        peer.payload.labels = labels;
        peer.payload.suspended = state == 0;
        if state == 1 {
            peer.payload.keys.clear();
        }
        peer
    })
}

fn some_asset(number: u8) -> impl Strategy<Value = Entry<AssetEntry>> {
    let opened = subsequence(vec!["/b", "/e", "/e/f"], 0..=2);
    (some_labels(), opened, 0_u8..12).prop_map(move |(labels, opened, state)| {
        let id = if state == 0 { 0 } else { number };
        let mut asset = asset(&format!("a{number}"), &format!("A{id}"));
        asset.payload.labels = labels;
        asset.payload.units = strings(&opened);
        asset
    })
}

pub fn declared() -> impl Strategy<Value = Declared> {
    let peers = (some_peer(0), some_peer(1), some_peer(2));
    let assets = (some_asset(0), some_asset(1), some_asset(2));
    (peers, prop::collection::vec(some_policy(), 0..5), assets).prop_map(|(p, specs, a)| Declared {
        peers: vec![p.0, p.1, p.2],
        policies: (0..)
            .zip(specs)
            .map(|(i, spec)| policy(&format!("k{i}"), spec))
            .collect(),
        assets: vec![a.0, a.1, a.2],
    })
}

/// Two sets of declarations that differ in some objects, each there or not on its own.
pub fn pairs() -> impl Strategy<Value = (Declared, Declared)> {
    let choice = || prop::collection::vec(0_u8..12, 12);
    (declared(), declared(), choice()).prop_map(|(old, other, choice)| {
        let mut choice = choice.into_iter().cycle();
        let new = Declared {
            peers: mixed(&old.peers, &other.peers, &mut choice),
            policies: mixed(&old.policies, &other.policies, &mut choice),
            assets: mixed(&old.assets, &other.assets, &mut choice),
        };
        (old, new)
    })
}

fn mixed<T: Clone>(old: &[T], other: &[T], choice: &mut impl Iterator<Item = u8>) -> Vec<T> {
    let most = old.len().max(other.len());
    let pick = |position: usize, choice: u8| match choice {
        0 => None,
        1..=3 => other.get(position).cloned(),
        _ => old.get(position).cloned(),
    };
    (0..most)
        .filter_map(|position| pick(position, choice.next()?))
        .collect()
}
