//! What an edit leaves at rest is what a first round over everything would find.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};

use super::*;
use finp2p_crds::entry::PolicyEntry;

/// Rows in these worlds: few, so that there is more to be found than is told.
const FEW: usize = 2;

/// What an organization has declared and published, by number.
#[derive(Clone, Debug, Default)]
struct World {
    policies: BTreeMap<u8, SharingPolicySpec>,
    /// Number in the resource id, and desk.
    assets: BTreeMap<u8, (u8, u8)>,
    units: BTreeMap<ResourceId, Arc<[String]>>,
}

/// One edit: of a policy (what it selects, what it opens), of an asset, or of its content.
#[derive(Clone, Debug)]
enum Edit {
    Policy(u8, Option<(u8, u8)>),
    Asset(u8, Option<(u8, u8)>),
    Content(u8, u8),
}

/// What may go wrong in taking note of an edit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// A policy that was edited is not looked at again.
    Policies,
    /// An asset whose entry was edited is not looked at again.
    Assets,
    /// A version with other units is not looked at.
    Versions,
    /// What lies behind the rows is taken for looked at.
    Behind,
}

fn resource(number: u8) -> ResourceId {
    format!("bank-a:102:A{number}").parse().unwrap()
}

fn spec(selects: u8, opens: u8) -> SharingPolicySpec {
    let assets = match selects {
        0 => json!({"all": true}),
        1 => json!({"names": ["a0", "a3", "a5"]}),
        desk => json!({"selector": {"matchLabels": {"desk": format!("d{desk}")}}}),
    };
    let mut spec = json!({"assets": assets, "peers": {"all": true}, "mode": "Pull"});
    match opens {
        0 => spec["allFields"] = json!(true),
        1 => spec["fields"] = json!(["/a"]),
        2 => spec["fields"] = json!(["/a", "/ghost"]),
        _ => spec["fields"] = json!(["/b"]),
    }
    serde_json::from_value(spec).unwrap()
}

fn entry<T>(name: String, payload: T) -> Entry<T> {
    Entry {
        uid: format!("uid-{name}"),
        generation: 1,
        name,
        payload,
    }
}

fn asset(name: String, resource: &ResourceId, labels: Value) -> Entry<AssetEntry> {
    let payload = AssetEntry {
        resource_id: resource.to_string(),
        labels: serde_json::from_value(labels).unwrap(),
        ..AssetEntry::default()
    };
    entry(name, payload)
}

fn policy(name: String, spec: SharingPolicySpec) -> Entry<PolicyEntry> {
    entry(name, PolicyEntry { spec, change: None })
}

impl World {
    /// Returns assets that have other units now.
    fn edit(&mut self, edit: &Edit) -> BTreeSet<ResourceId> {
        match *edit {
            Edit::Policy(number, Some((selects, opens))) => {
                self.policies.insert(number, spec(selects, opens));
            }
            Edit::Policy(number, None) => drop(self.policies.remove(&number)),
            Edit::Asset(number, Some(asset)) => drop(self.assets.insert(number, asset)),
            Edit::Asset(number, None) => drop(self.assets.remove(&number)),
            Edit::Content(number, which) => {
                let units: &[&str] = match which {
                    0 => &["/a"],
                    1 => &["/a", "/b/c"],
                    _ => &["/b/c", "/bb"],
                };
                let units = units.iter().map(|unit| (*unit).to_owned()).collect();
                self.units.insert(resource(number), units);
                return BTreeSet::from([resource(number)]);
            }
        }
        BTreeSet::new()
    }

    fn facts(&self) -> Arc<Facts> {
        let policies = self.policies.iter();
        let policies = policies.map(|(number, spec)| policy(format!("p{number}"), spec.clone()));
        let assets = self.assets.iter().map(|(number, (id, desk))| {
            let labels = json!({"desk": format!("d{desk}")});
            asset(format!("a{number}"), &resource(*id), labels)
        });
        let (policies, assets) = (policies.collect(), assets.collect());
        Arc::new(Facts::new(
            "bank-a".to_owned(),
            Vec::new(),
            policies,
            assets,
        ))
    }
}

/// What the report says of all pairs, in their order.
fn from_scratch(facts: &Facts, units: Units<'_>, rows_max: usize) -> Vec<Exception> {
    let (mut policies, mut assets) = (BTreeMap::new(), BTreeMap::new());
    for policy in facts.policies() {
        for (resource, asset) in facts.own_assets(None) {
            let (policy, spec) = (&policy.name, &policy.payload.spec);
            let Some(units) = units(resource).filter(|_| access::selects_asset(spec, asset)) else {
                continue;
            };
            let fields = access::fields_unknown(spec, &units);
            if fields.is_empty() {
                continue;
            }
            let why = access::why_unknown(&fields, &units);
            let fields = fields.join(", ");
            if policies.len() < rows_max || policies.contains_key(policy) {
                let row = row_of_policy(policy, &asset.name, &fields, &why);
                policies.entry(policy.clone()).or_insert(row);
            }
            if assets.len() < rows_max || assets.contains_key(resource) {
                let row = row_of_asset(policy, &asset.name, &fields, &why);
                assets.entry(resource.clone()).or_insert(row);
            }
        }
    }
    policies.into_values().chain(assets.into_values()).collect()
}

/// Edits, each followed by a look of so many pairs, and rest at the end.
fn follow(edits: &[(Edit, usize)], fault: Fault) -> Result<(), TestCaseError> {
    let mut world = World::default();
    let mut check = FieldCheck {
        rows_max: FEW,
        ..FieldCheck::default()
    };
    let end = (Edit::Policy(99, None), usize::MAX);
    for (edit, mut pairs) in edits.iter().chain([&end]).cloned() {
        let changed = world.edit(&edit);
        let facts = world.facts();
        let before = check.clone();
        check.notice(
            &facts,
            if fault == Fault::Versions {
                BTreeSet::new()
            } else {
                changed.clone()
            },
        );
        plant(&mut check, &before, changed, fault);
        let units = |resource: &ResourceId| world.units.get(resource).cloned();
        if check.work(&units, &mut pairs) {
            let found: Vec<_> = check.found().collect();
            prop_assert_eq!(found, from_scratch(&facts, &units, FEW), "after {:?}", edit);
        }
    }
    prop_assert!(!check.is_under_way());
    Ok(())
}

fn plant(check: &mut FieldCheck, before: &FieldCheck, changed: BTreeSet<ResourceId>, fault: Fault) {
    match fault {
        Fault::None | Fault::Versions => {}
        Fault::Policies => {
            let facts = before.facts.iter().flat_map(|facts| facts.policies());
            let known: BTreeMap<_, _> = facts.map(|p| &p.name).zip(&before.looks).collect();
            let facts = check.facts.clone().unwrap();
            for (policy, look) in facts.policies().iter().zip(&mut check.looks) {
                if let Some(known) = known.get(&policy.name) {
                    *look = (*known).clone();
                }
            }
        }
        Fault::Assets => check.touched = &before.touched | &changed,
        Fault::Behind => {
            for look in check
                .looks
                .iter_mut()
                .filter(|look| look.found.len() >= FEW)
            {
                look.reach = Reach::All;
            }
        }
    }
}

fn some_edits() -> impl Strategy<Value = Vec<(Edit, usize)>> {
    let edit = prop_oneof![
        3 => (0..4_u8, option::weighted(0.8, (0..4_u8, 0..4_u8))).prop_map(|(n, what)| Edit::Policy(n, what)),
        // Now and then two assets claim one id, and neither is ours to grant.
        3 => (0..6_u8, option::weighted(0.8, (0..7_u8, 2..4_u8))).prop_map(|(n, what)| Edit::Asset(n, what)),
        3 => (0..7_u8, 0..3_u8).prop_map(|(n, what)| Edit::Content(n, what)),
    ];
    let pairs = prop_oneof![2 => 0..8_usize, 1 => Just(usize::MAX)];
    vec((edit, pairs), 1..40)
}

proptest! {
    #[test]
    fn what_edits_leave_at_rest_is_what_a_first_round_finds(edits in some_edits()) {
        follow(&edits, Fault::None)?;
    }
}

#[test]
fn each_way_to_overlook_an_edit_is_noticed() {
    for fault in [
        Fault::Policies,
        Fault::Assets,
        Fault::Versions,
        Fault::Behind,
    ] {
        let config = Config {
            cases: 512,
            max_shrink_iters: 0,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let noticed =
            TestRunner::new_with_rng(config, rng).run(&some_edits(), |edits| follow(&edits, fault));
        assert!(noticed.is_err(), "{fault:?} is not noticed");
    }
}

/// A thousand policies over ten thousand assets, at rest, with nothing found.
fn many() -> (FieldCheck, Vec<Entry<PolicyEntry>>, Vec<Entry<AssetEntry>>) {
    let assets = (0..10_000).map(|number| {
        let id = format!("bank-a:102:A{number:05}").parse().unwrap();
        asset(format!("a{number}"), &id, json!({}))
    });
    let policies = (0..1_000).map(|number| policy(format!("p{number:03}"), spec(0, 1)));
    let (policies, assets): (Vec<_>, Vec<_>) = (policies.collect(), assets.collect());
    let facts = facts(&policies, &assets);
    let look = Look {
        reach: Reach::All,
        ..Look::default()
    };
    let check = FieldCheck {
        looks: vec![look; policies.len()],
        facts: Some(facts),
        ..FieldCheck::default()
    };
    (check, policies, assets)
}

fn facts(policies: &[Entry<PolicyEntry>], assets: &[Entry<AssetEntry>]) -> Arc<Facts> {
    let (policies, assets) = (policies.to_vec(), assets.to_vec());
    Arc::new(Facts::new(
        "bank-a".to_owned(),
        Vec::new(),
        policies,
        assets,
    ))
}

#[test]
fn of_ten_million_pairs_an_edit_has_those_looked_at_that_it_touches() {
    let (mut check, mut policies, mut assets) = many();
    let units = |_: &ResourceId| Some(Arc::from(["/a".to_owned()]));
    let mut pairs_of = |facts: Arc<Facts>, changed: &[&str]| {
        let changed = changed.iter().map(|id| id.parse().unwrap()).collect();
        check.notice(&facts, changed);
        let mut left = usize::MAX;
        check.work(&units, &mut left);
        (usize::MAX - left, check.found().count())
    };
    assert_eq!(pairs_of(facts(&policies, &assets), &[]), (0, 0));
    policies[7].payload.spec = spec(0, 3);
    // As far as the report goes; a policy without a fault goes through all assets.
    assert_eq!(pairs_of(facts(&policies, &assets), &[]), (50, 51));
    policies[7].payload.spec = spec(1, 1);
    assert_eq!(pairs_of(facts(&policies, &assets), &[]), (10_000, 0));
    assets[3].payload.offer = true;
    assert_eq!(pairs_of(facts(&policies, &assets), &[]), (1_000, 0));
    assets.pop();
    policies.pop();
    assert_eq!(pairs_of(facts(&policies, &assets), &[]), (999, 0));
    let known = facts(&policies, &assets);
    assert_eq!(pairs_of(known, &["bank-a:102:A00005"]), (999, 0));
}

#[test]
fn a_look_goes_through_a_bounded_number_of_pairs() {
    let (mut check, mut policies, assets) = many();
    policies[7].payload.spec = spec(1, 1);
    check.notice(&facts(&policies, &assets), BTreeSet::new());
    let units = |_: &ResourceId| Some(Arc::from(["/a".to_owned()]));
    let mut looks = 1;
    while !check.work(&units, &mut PAIRS_PER_STEP.clone()) {
        assert!(check.is_under_way());
        looks += 1;
    }
    assert_eq!(looks, 10_000_usize.div_ceil(PAIRS_PER_STEP));
}
