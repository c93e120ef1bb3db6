//! `make bench-scale`: 10,000 assets, 100 peers and 1,000 policies in one namespace.

use std::time::{Duration, Instant};

use finp2p_tests::banks::Banks;
use finp2p_tests::consortium::{Consortium, NODE_ACCOUNT};
use finp2p_tests::control_plane::{ControlPlane, condition};
use finp2p_wire::key::SigningKey;
use serde_json::{Value, json};

use crate::report::{Row, line};

const ASSETS: usize = 10_000;
const PEERS: usize = 100;
const POLICIES: usize = 1_000;
/// Threads that make the objects.
const MAKERS: usize = 8;
/// Longer is a failure and not a figure.
const LONGEST: Duration = Duration::from_secs(600);
/// What is measured idle.
const IDLE: Duration = Duration::from_secs(60);
/// Who writes nothing for so long has come to rest: statuses wait for a second, and reports come at
/// most every five.
const REST: Duration = Duration::from_secs(12);

/// The figures, beside the row *scale* of the design.
pub fn measure() -> Vec<Row> {
    let cluster = ControlPlane::shared();
    let mut banks = Consortium::install(cluster, &["bank-a"], &[]);
    banks.apply_members();
    let local = Banks::samples().join("bank-a/local.yaml");
    let apply = ["apply", "-f", local.to_str().expect("a path")];
    let applied = banks.bank("bank-a").namespace.kubectl(&apply, "");
    applied.ok().expect("the local organization");
    let begun = Instant::now();
    fill(&banks);
    line(&format!(
        "made {ASSETS} assets, {PEERS} peers, {POLICIES} policies in {:.0} s",
        begun.elapsed().as_secs_f64()
    ));

    let begun = Instant::now();
    banks.start_operator();
    banks.start_node("bank-a");
    until_ready(&banks);
    let first = begun.elapsed();
    line(&format!(
        "every object Ready after {:.1} s, statuses of all of them written",
        first.as_secs_f64()
    ));
    until_rest(&banks);
    let edit = writes_of_an_edit(&banks);
    let idle = writes(&banks, || std::thread::sleep(IDLE));
    let resident = banks.operators()[0].resident_mib().expect("it runs");

    banks.operators()[0].stop().expect("it ends");
    let begun = Instant::now();
    banks.start_operator();
    finp2p_tests::wait::until("the operator to be ready", LONGEST, || {
        let metrics = banks.probe_of(1, "/metrics")?;
        let planned = metrics
            .lines()
            .any(|l| l.starts_with("finp2p_operator_reconciles_total{") && !l.ends_with(" 0"));
        banks.probe_of(1, "/readyz")?;
        planned
            .then_some(())
            .ok_or("nothing was planned yet".to_owned())
    });
    let again = begun.elapsed();
    #[allow(clippy::cast_precision_loss)] // small counts
    let rows = vec![
        Row::new("scale_first_s", first.as_secs_f64(), "s"),
        Row::new("scale_cold_s", again.as_secs_f64(), "s").at_most(15.0),
        Row::new("scale_rss_mib", resident as f64, "MiB").at_most(200.0),
        Row::new("scale_writes_per_edit", edit as f64, "").at_most(6.0),
        Row::new("scale_writes_idle", idle as f64, "").at_most(0.0),
    ];
    rows
}

fn fill(banks: &Consortium<'_>) {
    let namespace = &banks.bank("bank-a").namespace.name;
    let admin = banks.cluster().admin();
    let objects: Vec<(&str, Value)> = peers().chain(assets()).chain(policies()).collect();
    std::thread::scope(|scope| {
        for part in objects.chunks(objects.len().div_ceil(MAKERS)) {
            scope.spawn(move || {
                for (kind, object) in part {
                    admin.create(kind, namespace, object).expect("it is made");
                }
            });
        }
    });
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": kind,
        "metadata": {"name": name, "labels": {"desk": format!("desk-{}", name.len() % 7)}}, "spec": spec})
}

fn peers() -> impl Iterator<Item = (&'static str, Value)> {
    (0..PEERS).map(|number| {
        let key = SigningKey::generate(&mut rand::rng());
        let spec = json!({"keys": [{"id": "k", "publicKey": key.public().to_spki_base64(),
            "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2099-01-01T00:00:00Z"}]});
        (
            "peerorganizations",
            object("PeerOrganization", &format!("peer-{number}"), spec),
        )
    })
}

fn assets() -> impl Iterator<Item = (&'static str, Value)> {
    (0..ASSETS).map(|number| {
        let spec = json!({"assetId": format!("ZZ{number:010}"), "content": {"api": {}}});
        (
            "sharedassets",
            object("SharedAsset", &format!("asset-{number}"), spec),
        )
    })
}

fn policies() -> impl Iterator<Item = (&'static str, Value)> {
    (0..POLICIES).map(|number| {
        let names: Vec<_> = (0..10).map(|n| format!("asset-{}", number * 10 + n)).collect();
        let spec = json!({"assets": {"names": names}, "peers": {"names": [format!("peer-{}", number % PEERS)]},
            "mode": "Pull", "fields": ["/isin", "/name"]});
        ("sharingpolicies", object("SharingPolicy", &format!("policy-{number}"), spec))
    })
}

fn until_ready(banks: &Consortium<'_>) {
    let namespace = &banks.bank("bank-a").namespace;
    for kind in ["sharingpolicies", "peerorganizations", "sharedassets"] {
        // A list of ten thousand objects is a load of its own: the last ones first, then all.
        finp2p_tests::wait::until("every object to be Ready", LONGEST, || {
            std::thread::sleep(Duration::from_millis(500));
            for object in namespace.list(kind)? {
                condition(&object, "Ready", "True")
                    .map_err(|why| format!("{kind} {}: {why}", object["metadata"]["name"]))?;
            }
            Ok(())
        });
    }
}

/// Waits until operator and node have written all that they have to.
fn until_rest(banks: &Consortium<'_>) {
    let namespace = &banks.bank("bank-a").namespace.name;
    let node = format!("system:serviceaccount:{namespace}:{NODE_ACCOUNT}");
    let log = banks.cluster().api_audit_log();
    log.until_quiet(&[banks.operator_user(), node], REST, LONGEST);
}

fn writes_of_an_edit(banks: &Consortium<'_>) -> usize {
    let namespace = &banks.bank("bank-a").namespace;
    writes(banks, || {
        let patch = json!({"spec": {"fields": ["/isin"]}});
        banks
            .cluster()
            .admin()
            .patch("sharingpolicies", &namespace.name, "policy-7", &patch)
            .expect("the edit");
        namespace.until_condition("sharingpolicies", "policy-7", "Ready", "True");
        until_rest(banks);
    })
}

/// Writes of the operator while something happens, its Lease aside.
fn writes(banks: &Consortium<'_>, happens: impl FnOnce()) -> usize {
    let log = banks.cluster().api_audit_log();
    let mark = log.mark();
    happens();
    let events = log.of_user(mark, &banks.operator_user());
    let written = events.iter().filter(|e| e.is_write() && e.is_complete());
    written.filter(|e| e.resource() != "leases").count()
}
