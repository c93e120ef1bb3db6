//! Random worlds for the properties, small enough that things meet.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::Operation;
use super::world::{
    Ask, Declared, World, asset, at, everyone, labels, named, open, peer, policy, set_not_yet,
    strings,
};
use crate::entry::{AssetEntry, Entry, PeerEntry};
use crate::label::{LabelSelector, Labels};
use crate::shared_asset::From;
use crate::sharing_policy::{Mode, Selection, SharingPolicySpec};

const POINTERS: [&str; 8] = ["/a", "/b", "/b/c", "/b/d", "/e", "/e/f", "/ghost", ""];
const UNITS: [&str; 5] = ["/a", "/b/c", "/b/d", "/e/f/g", "/bb"];

fn some_labels() -> impl Strategy<Value = Labels> {
    select(vec![
        labels(&[]),
        labels(&[("desk", "x")]),
        labels(&[("desk", "y"), ("region", "eu")]),
    ])
}

fn selection(names: [&'static str; 4]) -> impl Strategy<Value = Selection> {
    prop_oneof![
        3 => Just(everyone()),
        3 => subsequence(names.to_vec(), 1..=3).prop_map(|some| named(&some)),
        2 => some_labels().prop_map(|all| Selection {
            selector: Some(LabelSelector { match_labels: all, ..LabelSelector::default() }),
            ..Selection::default()
        }),
    ]
}

fn some_policy() -> impl Strategy<Value = SharingPolicySpec> {
    let time = || prop::option::weighted(0.25, (0_i64..20).prop_map(|second| Time(at(second))));
    let fields = subsequence(POINTERS.to_vec(), 1..=4).prop_map(|some| strings(&some));
    let purposes = subsequence(vec!["audit", "trade"], 1..=2).prop_map(|some| strings(&some));
    let who = (
        selection(["a0", "a1", "a2", "ghost"]),
        selection(["p0", "p1", "p2", "ghost"]),
    );
    let what = (
        select(vec![Mode::Pull, Mode::Push]),
        prop::option::weighted(0.6, fields),
        prop::option::weighted(0.3, purposes),
    );
    let flags = (
        prop::option::of(any::<bool>()),
        prop::option::of(any::<bool>()),
        prop::option::weighted(0.1, 0_usize..6),
    );
    (who, what, time(), time(), flags).prop_map(|(who, what, not_before, not_after, flags)| {
        let mut spec = SharingPolicySpec {
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
            ..open()
        };
        if let Some(n) = flags.2 {
            set_not_yet(&mut spec, n);
        }
        spec
    })
}

fn some_peers() -> impl Strategy<Value = Vec<Entry<PeerEntry>>> {
    // Three peers, of which one in eight each is suspended or has no keys, and now and then
    // a second claim on one of them, or the record of the local organization.
    let one = (some_labels(), 0_u8..8);
    (
        prop::collection::vec(one, 3),
        select(vec!["", "", "", "", "", "", "o0", "o1", "us"]),
    )
        .prop_map(|(three, extra)| {
            let mut peers: Vec<_> = (0..)
                .zip(three)
                .map(|(i, (labels, state))| {
                    let mut peer = peer(&format!("p{i}"), &format!("o{i}"));
                    peer.payload.labels = labels;
                    peer.payload.suspended = state == 0;
                    if state == 1 {
                        peer.payload.keys.clear();
                    }
                    peer
                })
                .collect();
            if !extra.is_empty() {
                peers.push(peer("extra", extra));
            }
            peers
        })
}

fn some_assets() -> impl Strategy<Value = Vec<Entry<AssetEntry>>> {
    (prop::collection::vec(some_labels(), 3), 0_u8..10).prop_map(|(three, extra)| {
        let mut assets: Vec<_> = (0..)
            .zip(three)
            .map(|(i, labels)| {
                let mut asset = asset(&format!("a{i}"), &format!("us:102:A{i}"));
                asset.payload.labels = labels;
                asset
            })
            .collect();
        if let Some(last) = assets.last_mut() {
            let primary = if extra < 5 { "us" } else { "o1" };
            last.payload.resource_id = format!("{primary}:102:A2");
            last.payload.from = Some(From {
                peer: "p1".to_owned(),
                asset_id: "A2".to_owned(),
                mode: Mode::Pull,
            });
        }
        if extra == 0 {
            assets.push(asset("extra", "us:102:A0"));
        }
        assets
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    let requester = select(vec![
        "o0", "o0", "o0", "o0", "o0", "o1", "o1", "o1", "o2", "o2", "stranger", "us",
    ]);
    let mut resources = vec!["us:102:A0"; 8];
    resources.extend(["us:102:A1"; 4]);
    resources.extend(["us:102:A2", "us:102:A9", "o1:102:A2", "us:101:A0"]);
    let resource = select(resources);
    let purpose = select(vec![None, Some("audit"), Some("trade"), Some("other")]);
    let wanted = subsequence(POINTERS.to_vec(), 0..=2).prop_map(|some| strings(&some));
    let units = subsequence(UNITS.to_vec(), 2..=5).prop_map(|some| strings(&some));
    (
        (0_i64..20, requester, resource, 0_u8..4, purpose),
        prop::option::weighted(0.3, wanted),
        prop::option::weighted(0.9, units),
    )
        .prop_map(
            |((second, requester, resource, op, purpose), wanted, units)| Ask {
                now: at(second),
                requester: requester.to_owned(),
                resource: resource.to_owned(),
                operation: if op == 0 {
                    Operation::Subscribe
                } else {
                    Operation::Fetch
                },
                purpose: purpose.map(str::to_owned),
                wanted,
                units,
            },
        )
}

/// Random worlds, small enough that things meet.
pub fn worlds() -> impl Strategy<Value = World> {
    let policies = prop::collection::vec(some_policy(), 0..8).prop_map(|specs| {
        (0..)
            .zip(specs)
            .map(|(i, spec)| policy(&format!("k{i}"), spec))
            .collect()
    });
    (some_peers(), policies, some_assets(), ask()).prop_map(|(peers, policies, assets, ask)| {
        World {
            declared: Declared {
                peers,
                policies,
                assets,
            },
            ask,
        }
    })
}

/// The same worlds every time.
pub fn fixed_worlds(count: usize) -> impl Iterator<Item = World> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = worlds();
    (0..count).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}
