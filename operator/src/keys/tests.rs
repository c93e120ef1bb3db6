//! The key commands as a person uses them: in a folder, one after the other.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args as _, Command, FromArgMatches as _};
use finp2p_crds::PeerOrganization;
use finp2p_wire::certificate::{Moment, PeerIdBytes, RootKey, Trust, Use, verify_chain};
use finp2p_wire::key::{PublicKey, SigningKey};
use jiff::Timestamp;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use super::certify::{self, Certify, CertifyError};
use super::export::{self, Export, ExportError};
use super::file::FileError;
use super::keygen::{self, Keygen, KeygenError};
use super::signer::{Signer, SignerError, SigningError};
use crate::manifest::{Document, Manifest, Reader};
use crate::node::plan::SigningRequest;
use crate::node::plan::certificate::seconds;

mod renewal;

const NETWORK: &str = "sandbox-finp2p";

fn now() -> Timestamp {
    "2026-11-23T09:30:00Z".parse().unwrap()
}

fn keygen(folder: &Path, extra: &[&str]) -> Result<String, KeygenError> {
    let folder = folder.to_str().unwrap();
    let mut words = vec!["keygen", "bank-a", "--network", NETWORK, "--out", folder];
    words.extend(extra);
    let matches = Keygen::augment_args(Command::new("keygen"))
        .try_get_matches_from(words)
        .unwrap();
    let args = Keygen::from_arg_matches(&matches).unwrap();
    let mut output = Vec::new();
    keygen::run(&args, now(), &mut StdRng::seed_from_u64(1), &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

fn certify(words: &[&str], at: Timestamp) -> Result<String, CertifyError> {
    certify_for("bank-a", NETWORK, words, at)
}

fn certify_for(
    organization: &str,
    network: &str,
    words: &[&str],
    at: Timestamp,
) -> Result<String, CertifyError> {
    let mut all = vec!["certify", organization, "--network", network];
    all.extend(words);
    let matches = Certify::augment_args(Command::new("certify"))
        .try_get_matches_from(all)
        .unwrap();
    let args = Certify::from_arg_matches(&matches).unwrap();
    let mut output = Vec::new();
    certify::run(&args, at, &mut StdRng::seed_from_u64(2), &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

fn export(folder: &Path) -> Result<String, ExportError> {
    let mut output = Vec::new();
    let args = Export {
        folder: folder.to_owned(),
        organization: "bank-a".to_owned(),
    };
    export::run(&args, &mut output)?;
    Ok(String::from_utf8(output).unwrap())
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

/// The Secret as the operator reads it: through the manifests, not through the writer's types.
fn secret(file: &Path) -> BTreeMap<String, Zeroizing<Vec<u8>>> {
    let accept_all = |_: &Document| Vec::new();
    let mut reader = Reader::new(&accept_all);
    reader.path(file);
    let folder = reader.finish();
    assert_eq!(folder.findings, Vec::new());
    let object = folder
        .namespaces
        .into_iter()
        .flat_map(|n| n.objects)
        .next()
        .unwrap();
    match object.manifest {
        Manifest::Secret(keyed) => keyed.data,
        other => panic!("not a Secret: {other:?}"),
    }
}

fn record(text: &str) -> PeerOrganization {
    serde_yaml::from_str(text).unwrap()
}

fn roots(record: &PeerOrganization) -> Vec<RootKey> {
    let keys = record.spec.keys.iter();
    keys.map(|key| RootKey {
        public: PublicKey::from_spki_base64(&key.public_key).unwrap(),
        not_before: seconds(key.not_before.0),
        not_after: seconds(key.not_after.0),
        verify_only: false,
        revoked_at: None,
    })
    .collect()
}

fn request(uses: &[Use], peers: usize) -> SigningRequest {
    SigningRequest {
        organization: "bank-a".to_owned(),
        network: NETWORK.to_owned(),
        uses: uses.to_vec(),
        key: SigningKey::from_seed(&[uses.len() as u8 + 7; 32])
            .public()
            .clone(),
        peers: (0..peers)
            .map(|n| PeerIdBytes::new(vec![n as u8 + 1; 38]).unwrap())
            .collect(),
        incarnation: 1,
    }
}

#[test]
fn keygen_makes_keys_whose_certificates_lead_back_to_the_public_record() {
    let folder = tempfile::tempdir().unwrap();
    keygen(
        folder.path(),
        &["--address", "/dns4/finp2p.bank-a.example/tcp/4001"],
    )
    .unwrap();
    let record = record(&std::fs::read_to_string(folder.path().join("bank-a.yaml")).unwrap());
    assert_eq!(record.spec.keys[0].id, "2026-a");
    assert_eq!(
        record.spec.keys[0].not_before.0.to_string(),
        "2026-11-23T00:00:00Z"
    );
    assert_eq!(
        record.spec.keys[0].not_after.0.to_string(),
        "2028-11-23T00:00:00Z"
    );
    assert_eq!(
        record.spec.addresses,
        ["/dns4/finp2p.bank-a.example/tcp/4001"]
    );

    let data = secret(&folder.path().join("bank-a-issuer.yaml"));
    let signer = Signer::from_secret("bank-a", NETWORK, &data).unwrap();
    let net = signer.sign(&request(&[Use::Net], 1), now(), 11).unwrap();
    let rec = signer
        .sign(&request(&[Use::Rec, Use::Dec], 0), now(), 12)
        .unwrap();
    let issuing = String::from_utf8(data["certificate"].to_vec()).unwrap();
    let chain: Vec<Vec<u8>> = [&issuing, &net, &rec]
        .map(|text| STANDARD.decode(text).unwrap())
        .to_vec();
    let roots = roots(&record);
    let trust = Trust {
        network: NETWORK,
        org: "bank-a",
        roots: &roots,
        revoked_serials: &[],
    };
    let at = |now| verify_chain(&trust, &chain, Moment::Session { now });
    let verified = at(seconds(now())).unwrap();
    assert_eq!(verified.keys.len(), 2);
    let session = verified
        .keys
        .iter()
        .find(|key| key.uses == [Use::Net])
        .unwrap();
    assert_eq!(session.not_after - seconds(now()), 30 * 86_400);
    assert!(at(seconds(now()) + 366 * 86_400).is_err());
}

#[test]
fn no_secret_is_printed_and_secret_files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let printed = keygen(folder.path(), &[]).unwrap();
    assert!(printed.contains("Take it off this machine"), "{printed}");
    let (_, local) = printed.split_once("in its namespace:\n\n").unwrap();
    let local: serde_json::Value = serde_yaml::from_str(local).unwrap();
    let verbs = local.pointer("/spec/node/api/clients/0/allow/0").unwrap();
    assert_eq!(verbs, "Administer", "it cannot be added when it is needed");
    let root = std::fs::read_to_string(folder.path().join("bank-a-root-key.pem")).unwrap();
    let seed = SigningKey::from_pkcs8_pem(&root).unwrap().to_seed();
    let issuer = secret(&folder.path().join("bank-a-issuer.yaml"));
    let public = std::fs::read_to_string(folder.path().join("bank-a.yaml")).unwrap();
    for secret in [
        root.lines().nth(1).unwrap(),
        &STANDARD.encode(*seed),
        &hex::encode(*seed),
    ] {
        assert!(!printed.contains(secret) && !public.contains(secret));
    }
    let pem = String::from_utf8(issuer["key.pem"].to_vec()).unwrap();
    let second = pem.lines().nth(1).unwrap();
    assert!(!printed.contains(second) && !public.contains(second));
    for (name, mode) in [
        ("bank-a-root-key.pem", 0o600),
        ("bank-a-issuer.yaml", 0o600),
        ("bank-a.yaml", 0o644),
    ] {
        let metadata = folder.path().join(name).metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn keygen_overwrites_nothing_and_then_writes_nothing() {
    for name in ["bank-a-root-key.pem", "bank-a-issuer.yaml", "bank-a.yaml"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), "precious").unwrap();
        let refused = keygen(folder.path(), &[]).unwrap_err();
        assert!(
            matches!(refused, KeygenError::File(FileError::Exists(_))),
            "{refused}"
        );
        assert_eq!(
            std::fs::read_to_string(folder.path().join(name)).unwrap(),
            "precious"
        );
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }
}

#[test]
fn keygen_refuses_names_and_addresses_that_no_peer_could_use() {
    let folder = tempfile::tempdir().unwrap();
    for address in [
        "bank-a.example:4001",
        "/dns4/x/tcp/0",
        "/dns4/x/tcp/70000",
        "/dns4//tcp/1",
        "/dns4/x/udp/1",
    ] {
        let refused = keygen(folder.path(), &["--address", address]).unwrap_err();
        assert!(matches!(refused, KeygenError::Address), "{address}");
    }
    let bad = |organization: &str, network: &str| Keygen {
        organization: organization.to_owned(),
        network: network.to_owned(),
        out: folder.path().to_owned(),
        years: 2,
        address: Vec::new(),
        secret_name: "finp2p-issuer".to_owned(),
        namespace: None,
    };
    let run =
        |args| keygen::run(&args, now(), &mut StdRng::seed_from_u64(1), Vec::new()).unwrap_err();
    for organization in ["", "Bank", "../bank", "bank:a"] {
        assert!(matches!(
            run(bad(organization, NETWORK)),
            KeygenError::Organization
        ));
    }
    assert!(matches!(
        run(bad("bank-a", "no network")),
        KeygenError::Network
    ));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_signer_certifies_node_keys_of_its_own_organization_and_network_only() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]).unwrap();
    let data = secret(&folder.path().join("bank-a-issuer.yaml"));
    let signer = Signer::from_secret("bank-a", NETWORK, &data).unwrap();
    let sign = |request: &SigningRequest| signer.sign(request, now(), 9).unwrap_err();
    let mut foreign = request(&[Use::Net], 1);
    foreign.organization = "bank-b".to_owned();
    assert!(matches!(sign(&foreign), SigningError::Foreign));
    let mut foreign = request(&[Use::Net], 1);
    foreign.network = "production".to_owned();
    assert!(matches!(sign(&foreign), SigningError::Foreign));
    for uses in [
        vec![Use::Issue],
        vec![Use::Net, Use::Rec],
        vec![Use::Hold],
        vec![],
    ] {
        assert!(
            matches!(sign(&request(&uses, 1)), SigningError::Uses),
            "{uses:?}"
        );
    }
    assert!(matches!(
        sign(&request(&[Use::Net], 0)),
        SigningError::Refused(_)
    ));
    assert!(matches!(
        sign(&request(&[Use::Rec], 1)),
        SigningError::Refused(_)
    ));
    assert!(matches!(
        sign(&request(&[Use::Net], 3)),
        SigningError::Bounds
    ));
    let serial = signer.sign(&request(&[Use::Net], 1), now(), 0);
    assert!(matches!(serial, Err(SigningError::Refused(_))));
    let early = keygen::days_after(now(), -1).unwrap();
    assert!(matches!(
        signer.sign(&request(&[Use::Net], 1), early, 9),
        Err(SigningError::NotValid)
    ));
}

#[test]
fn a_secret_that_cannot_sign_says_why_and_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]).unwrap();
    let good = secret(&folder.path().join("bank-a-issuer.yaml"));
    let with = |change: fn(&mut BTreeMap<String, Zeroizing<Vec<u8>>>)| {
        let mut data = good.clone();
        change(&mut data);
        Signer::from_secret("bank-a", NETWORK, &data).unwrap_err()
    };
    assert!(matches!(
        with(|d| {
            d.remove("key.pem");
        }),
        SignerError::Missing("key.pem")
    ));
    assert!(matches!(
        with(|d| {
            d.remove("certificate");
        }),
        SignerError::Missing("certificate")
    ));
    assert!(matches!(
        with(|d| {
            d.insert("key.pem".to_owned(), Zeroizing::new(b"hush".to_vec()));
        }),
        SignerError::Key
    ));
    assert!(matches!(
        with(|d| {
            d.insert("certificate".to_owned(), Zeroizing::new(b"AAAA".to_vec()));
        }),
        SignerError::Certificate(_)
    ));
    assert!(matches!(
        with(|d| {
            let other = SigningKey::from_seed(&[3; 32]).to_pkcs8_pem().unwrap();
            d.insert(
                "key.pem".to_owned(),
                Zeroizing::new(other.as_bytes().to_vec()),
            );
        }),
        SignerError::Pair
    ));
    let other = Signer::from_secret("bank-b", NETWORK, &good).unwrap_err();
    assert!(matches!(other, SignerError::Organization));
    let signer = Signer::from_secret("bank-a", NETWORK, &good).unwrap();
    let shown = format!("{signer:?} {:?}", signer.state());
    let pem = String::from_utf8(good["key.pem"].to_vec()).unwrap();
    assert!(!shown.contains(pem.lines().nth(1).unwrap()));
}

#[test]
fn export_prints_what_is_public_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path(), &[]).unwrap();
    let local = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {name: local, labels: {tier: gold}}\nspec:\n  organizationId: bank-a\n  node:\n    network: sandbox-finp2p\n    signer: {secretName: finp2p-issuer}\n    announce: [/dns4/finp2p.bank-a.example/tcp/4001]\n";
    std::fs::write(folder.path().join("local.yaml"), local).unwrap();
    let named = tempfile::tempdir().unwrap();
    let home = named.path().join("bank-a");
    std::fs::create_dir(&home).unwrap();
    for file in ["bank-a.yaml", "bank-a-issuer.yaml", "local.yaml"] {
        std::fs::copy(folder.path().join(file), home.join(file)).unwrap();
    }
    let text = export(&home).unwrap();
    let exported = record(&text);
    let kept = record(&std::fs::read_to_string(home.join("bank-a.yaml")).unwrap());
    assert_eq!(exported.spec.keys, kept.spec.keys);
    assert_eq!(
        exported.spec.addresses,
        ["/dns4/finp2p.bank-a.example/tcp/4001"]
    );
    assert!(exported.spec.node.is_none() && exported.metadata.labels.is_none());
    for private in [
        "signer",
        "PRIVATE",
        "suspended",
        "labels",
        "node:",
        "status",
    ] {
        assert!(!text.contains(private), "{private} in {text}");
    }
}

#[test]
fn an_exported_record_is_read_by_kubectl_as_it_was_meant() {
    let named = tempfile::tempdir().unwrap();
    let home = named.path().join("bank-a");
    std::fs::create_dir(&home).unwrap();
    let write = |spec: &str| {
        let text = format!(
            "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {{name: bank-a}}\nspec: {spec}\n"
        );
        std::fs::write(home.join("record.yaml"), text).unwrap();
        export(&home).unwrap()
    };
    let issuer = write(
        r#"{issuer: {id: "https://i.example", types: [T], keys: [{id: k, jwk: {kty: EC, crv: P-256, x: OqAheHLrfyVtuY0WCgePr2bpnrqUSuZJd5TSSvz22PA, "y": IOI6VASVRqiTh73MdImKp4QInzPXM1i0Vm48pUuIZIo}}]}}"#,
    );
    // A bare y is a boolean there, and the key of the JWK would be called `true`.
    assert!(issuer.contains("        \"y\": IOI6"), "{issuer}");
    assert!(
        !issuer.contains("no addresses"),
        "an issuer runs no node: {issuer}"
    );
    let key = SigningKey::from_seed(&[1; 32]).public().to_spki_base64();
    let keys = format!(
        "keys: [{{id: k, publicKey: {key}, notBefore: '2026-01-01T00:00:00Z', notAfter: '2028-01-01T00:00:00Z'}}]"
    );
    let dials_only = write(&format!("{{{keys}}}"));
    assert!(
        dials_only.contains("# It lists no addresses: "),
        "{dials_only}"
    );
    let dialled = write(&format!(
        "{{{keys}, addresses: [/dns4/a.example/tcp/4001]}}"
    ));
    assert!(!dialled.contains("no addresses"), "{dialled}");
}

#[test]
fn export_refuses_what_would_mislead_peers() {
    let named = tempfile::tempdir().unwrap();
    let home = named.path().join("bank-a");
    std::fs::create_dir(&home).unwrap();
    let write = |name: &str, text: &str| std::fs::write(home.join(name), text).unwrap();
    write(
        "x.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    );
    assert!(matches!(export(&home), Err(ExportError::NotFound { .. })));
    let object = |name: &str, spec: &str| {
        format!(
            "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    write(
        "local.yaml",
        &object(
            "local",
            "{organizationId: bank-a, node: {network: n, signer: {secretName: s}}}",
        ),
    );
    assert!(matches!(export(&home), Err(ExportError::NothingPublic(_))));
    for (name, seed) in [("one", 1), ("two", 2)] {
        let key = SigningKey::from_seed(&[seed; 32]).public().to_spki_base64();
        let spec = format!(
            "{{organizationId: bank-a, keys: [{{id: k, publicKey: {key}, notBefore: '2026-01-01T00:00:00Z', notAfter: '2028-01-01T00:00:00Z'}}]}}"
        );
        write(&format!("{name}.yaml"), &object(name, &spec));
    }
    assert!(matches!(export(&home), Err(ExportError::KeysDiffer { .. })));
    write("broken.yaml", "spec: [");
    assert!(matches!(export(&home), Err(ExportError::Manifests { .. })));
}
