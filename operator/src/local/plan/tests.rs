use std::fs;

use clap::Parser as _;
use finp2p_crds::sidecar_config::{AppliedSlice, CertificateRequest};
use finp2p_wire::certificate::{Certificate, Role};
use finp2p_wire::key::SigningKey;
use libp2p_identity::Keypair;

use super::*;
use crate::keys::keygen::{self, Keygen};
use crate::manifest::Folder;
use crate::validate::Checker;

const LOCAL: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {name: local}
spec: {organizationId: bank-a, node: {network: net, signer: {secretName: finp2p-issuer}}}
";

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    keygen: Keygen,
}

/// The folder of a bank as keygen leaves it.
fn bank() -> (tempfile::TempDir, Folder) {
    let directory = tempfile::tempdir().unwrap();
    let path = |place: &str| directory.path().join(place);
    for folder in ["bank-a", "members", "keys"] {
        fs::create_dir(path(folder)).unwrap();
    }
    let out = path("keys");
    let out = out.to_str().unwrap();
    let line = Line::parse_from(["keygen", "bank-a", "--network", "net", "--out", out]);
    keygen::run(&line.keygen, now(), &mut rand::rng(), Vec::new()).unwrap();
    fs::rename(path("keys/bank-a-issuer.yaml"), path("bank-a/issuer.yaml")).unwrap();
    fs::rename(path("keys/bank-a.yaml"), path("members/bank-a.yaml")).unwrap();
    fs::write(path("bank-a/local.yaml"), LOCAL).unwrap();
    let folder = Checker::new().unwrap().read_directory(directory.path());
    assert_eq!(folder.findings, vec![]);
    (directory, folder)
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn plan_at(
    desk: &Desk,
    folder: &Folder,
    report: Option<&SidecarConfigStatus>,
    now: Timestamp,
) -> Planned {
    let claims = files::claims(folder);
    let circumstances = Circumstances {
        claims: &claims,
        loopback: &BTreeMap::new(),
        report,
        now,
    };
    desk.plan(&folder.namespaces[0], &circumstances, &mut rand::rng())
}

/// What a node says that has made its keys.
fn report(desk: &Desk) -> SidecarConfigStatus {
    let key = |seed: u8| SigningKey::from_seed(&[seed; 32]).public().to_spki_base64();
    let peer = Keypair::ed25519_from_bytes([7; 32]).unwrap();
    let request = |use_: &str, public_key, peer_ids| CertificateRequest {
        use_: use_.to_owned(),
        public_key,
        peer_ids,
    };
    let slices = desk.previous.iter().flat_map(|previous| &previous.slices);
    let applied = slices.map(|slice| AppliedSlice {
        slice: slice.metadata.name.clone().unwrap(),
        generation: slice.metadata.generation.unwrap(),
    });
    SidecarConfigStatus {
        incarnation: Some(1),
        applied: applied.collect(),
        certificate_requests: vec![
            request("net", key(1), vec![peer.public().to_peer_id().to_string()]),
            request("rec", key(2), vec![]),
        ],
        ..SidecarConfigStatus::default()
    }
}

fn roles(planned: &Planned) -> Vec<Role> {
    let root = planned
        .plan
        .root
        .as_ref()
        .unwrap()
        .config
        .spec
        .root
        .as_ref();
    let certificates = root.unwrap().certificates.iter();
    let decoded = certificates.map(|text| {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap();
        Certificate::decode_unverified(&bytes)
            .unwrap()
            .role()
            .unwrap()
    });
    decoded.collect()
}

#[test]
fn what_a_node_asks_for_is_signed_and_then_everything_is_idle_and_ready() {
    let (_directory, folder) = bank();
    let mut desk = Desk::default();
    let first = plan_at(&desk, &folder, None, now());
    assert_eq!(roles(&first), [Role::Issuing]);
    assert!(desk.settle(first.plan));
    let asked = report(&desk);
    let second = plan_at(&desk, &folder, Some(&asked), now());
    assert_eq!(roles(&second), [Role::Issuing, Role::Session, Role::Record]);
    assert_eq!(second.refusals, Vec::<String>::new());
    assert!(second.plan.signing.is_empty());
    desk.settle(second.plan);
    let third = plan_at(&desk, &folder, Some(&asked), now());
    assert!(third.plan.is_idle(), "{:?}", third.plan);
    assert!(!desk.settle(third.plan), "no status changed");
}

#[test]
fn certificates_are_renewed_when_the_plan_said_to_look_again() {
    let (_directory, folder) = bank();
    let mut desk = Desk::default();
    desk.settle(plan_at(&desk, &folder, None, now()).plan);
    let asked = report(&desk);
    let signed = plan_at(&desk, &folder, Some(&asked), now());
    let boundary = signed.plan.next_boundary.unwrap();
    desk.settle(signed.plan);
    let before = desk.previous.clone().unwrap().root.spec.root.unwrap();
    let renewed = plan_at(&desk, &folder, Some(&asked), boundary);
    let after = renewed.plan.root.unwrap().config.spec.root.unwrap();
    assert_ne!(after.certificates, before.certificates);
    assert_eq!(after.sequence, before.sequence + 1);
}

#[test]
fn every_configuration_object_has_the_same_uid_in_every_run() {
    let (_directory, folder) = bank();
    let uids = || {
        let plan = plan_at(&Desk::default(), &folder, None, now()).plan;
        let all = plan.root.into_iter().chain(plan.slices);
        all.map(|planned| planned.config.metadata.uid.unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(uids().len(), 2);
    assert_eq!(uids(), uids());
    assert_ne!(uids()[0], uids()[1]);
}

#[test]
fn a_namespace_without_its_local_organization_keeps_what_was_configured_for_later() {
    let (directory, folder) = bank();
    let mut desk = Desk::default();
    desk.settle(plan_at(&desk, &folder, None, now()).plan);
    let before = desk.previous.clone().unwrap().root;
    fs::remove_file(directory.path().join("bank-a/local.yaml")).unwrap();
    let gone = Checker::new().unwrap().read_directory(directory.path());
    let off = plan_at(&desk, &gone, None, now());
    assert_eq!(off.organization(), None);
    desk.settle(off.plan);
    let back = plan_at(&desk, &folder, None, now());
    assert_eq!(back.plan.root.unwrap().config.spec, before.spec);
}
