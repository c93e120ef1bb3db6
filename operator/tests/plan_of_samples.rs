//! The samples, planned: `first-light` ends Ready everywhere once a user has made the keys, and
//! `reference` gets the conditions that its comments promise.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use finp2p_crds::condition::Condition;
use finp2p_crds::sidecar_config::{AppliedSlice, SidecarConfigStatus};
use finp2p_operator::keys::keygen::{self, Keygen};
use finp2p_operator::keys::signer::Signer;
use finp2p_operator::manifest::{Folder, Manifest, Namespace};
use finp2p_operator::node::files::{Objects, claims};
use finp2p_operator::node::{Dialling, Inputs, Plan, Previous, SignerState, plan};
use finp2p_operator::validate::Checker;
use jiff::Timestamp;

const NETWORK: &str = "sandbox-finp2p";

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/samples")
}

fn read(path: &Path) -> Folder {
    let checker = Checker::new().unwrap();
    let folder = checker.read_paths(&[path.to_owned()], std::io::empty());
    let errors: Vec<_> = folder.findings.iter().filter(|f| f.is_error()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    folder
}

fn signer(namespace: &Namespace) -> SignerState {
    let secret = namespace
        .objects
        .iter()
        .find_map(|object| match &object.manifest {
            Manifest::Secret(keyed) if keyed.name == "finp2p-issuer" => Some(keyed),
            _ => None,
        });
    match secret.map(|keyed| Signer::from_secret(&namespace.name, NETWORK, &keyed.data)) {
        None => SignerState::Missing,
        Some(Ok(signer)) => signer.state(),
        Some(Err(error)) => SignerState::Unusable(error.to_string()),
    }
}

/// Plans a namespace, lets a node apply the plan, and plans again.
fn settled(folder: &Folder, name: &str) -> Plan {
    let namespace = folder.namespaces.iter().find(|n| n.name == name).unwrap();
    let Objects {
        organizations,
        assets,
        policies,
        sources,
        disputed,
    } = Objects::of(namespace);
    let mut inputs = Inputs {
        namespace: name.to_owned(),
        organizations,
        assets,
        policies,
        sources,
        disputed,
        claims: claims(folder),
        signer: signer(namespace),
        signed: Vec::new(),
        dialling: Dialling::Loopback(BTreeMap::new()),
        cluster: None,
        previous: None,
        report: None,
        now: now(),
    };
    let first = plan(&inputs);
    let slices: Vec<_> = first
        .slices
        .iter()
        .map(|slice| slice.config.clone())
        .collect();
    let applied = slices.iter().map(|slice| AppliedSlice {
        slice: slice.metadata.name.clone().unwrap(),
        generation: slice.metadata.generation.unwrap(),
    });
    inputs.report = Some(SidecarConfigStatus {
        incarnation: Some(1),
        applied: applied.collect(),
        ..SidecarConfigStatus::default()
    });
    let root = first.root.as_ref().unwrap().config.clone();
    inputs.previous = Some(Previous {
        root,
        slices,
        memory: first.memory,
    });
    plan(&inputs)
}

/// `Kind name` and what Ready says, as in `False NotYetSupported`.
fn ready(plan: &Plan) -> BTreeMap<String, String> {
    let says = |conditions: &[Condition]| {
        let ready = conditions.iter().find(|c| c.type_ == "Ready").unwrap();
        format!("{} {}", ready.status.as_str(), ready.reason)
    };
    let organizations = plan.organizations.iter().map(|o| {
        (
            format!("PeerOrganization {}", o.name),
            says(&o.status.conditions),
        )
    });
    let assets = plan.assets.iter().map(|a| {
        (
            format!("SharedAsset {}", a.name),
            says(&a.status.conditions),
        )
    });
    let policies = plan.policies.iter().map(|p| {
        (
            format!("SharingPolicy {}", p.name),
            says(&p.status.conditions),
        )
    });
    organizations.chain(assets).chain(policies).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn keygen(organization: &str, out: &Path) {
    let args = Keygen {
        organization: organization.to_owned(),
        network: NETWORK.to_owned(),
        out: out.to_owned(),
        years: 2,
        address: Vec::new(),
        secret_name: "finp2p-issuer".to_owned(),
        namespace: None,
    };
    keygen::run(&args, now(), &mut rand::rng(), std::io::sink()).unwrap();
}

#[test]
fn every_object_of_first_light_ends_ready_once_each_bank_has_keys() {
    let folder = tempfile::tempdir().unwrap();
    copy(&samples().join("first-light"), folder.path());
    let members = folder.path().join("members");
    std::fs::create_dir(&members).unwrap();
    let banks = ["bank-a", "bank-b", "bank-c"];
    for bank in banks {
        let home = folder.path().join(bank);
        keygen(bank, &home);
        std::fs::rename(
            home.join(format!("{bank}.yaml")),
            members.join(format!("{bank}.yaml")),
        )
        .unwrap();
    }
    let read = read(folder.path());
    for bank in banks {
        let ready = ready(&settled(&read, bank));
        assert!(ready.len() >= 4, "{ready:?}");
        for (object, says) in ready {
            let own_record = object == format!("PeerOrganization {bank}");
            assert_eq!(
                says,
                if own_record {
                    "True Self"
                } else {
                    "True Ready"
                },
                "{bank}: {object}"
            );
        }
    }
}

#[test]
fn reference_gets_the_conditions_that_are_promised() {
    let read = read(&samples().join("reference"));
    let expected = [
        ("PeerOrganization bank-a", "True Self"),
        ("PeerOrganization bank-b", "True Ready"),
        ("PeerOrganization kyc-registry", "True Ready"),
        // Nobody has the private half of its root key, so there is no issuing key.
        ("PeerOrganization local", "False SignerMissing"),
        ("SharedAsset green-bond-2031", "True Ready"),
        (
            "SharingPolicy bonds-to-distributors",
            "False NotYetSupported",
        ),
        (
            "SharingPolicy users-to-issuing-banks",
            "False NotYetSupported",
        ),
    ];
    let expected = expected.map(|(object, says)| (object.to_owned(), says.to_owned()));
    assert_eq!(ready(&settled(&read, "bank-a")), BTreeMap::from(expected));
    let there = ready(&settled(&read, "bank-b"));
    assert_eq!(there["SharedAsset bank-a-green-bond-2031"], "True Ready");
    assert_eq!(there["PeerOrganization bank-b"], "True Self");
}
