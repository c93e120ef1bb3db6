//! The pipelines of the samples: a consortium's repository, an overlay per bank, Flux and Argo CD.

use std::path::Path;
use std::process::{Command, Stdio};

use finp2p_tests::binaries::binaries;
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use serde_json::{Value, json};

use crate::gitops::{
    ARGO_CD, FLUX_KUSTOMIZE, FLUX_SOURCE, argo_cd, flux, kustomize, module_file, pipelines,
};
use crate::helm::{self, objects};
use crate::installed::{bare, installed};

/// Every kustomization of the samples.
const BUILT: [&str; 4] = [
    "bank-a/members",
    "bank-a/sharing",
    "bank-b/members",
    "bank-b/sharing",
];

/// An overlay, built, for another namespace than the sample's.
fn members(of: &Path, bank: &Namespace<'_>) -> String {
    let built = kustomize(&of.join("bank-a/members")).unwrap();
    built.replace(
        "namespace: bank-a\n",
        &format!("namespace: {}\n", bank.name),
    )
}

/// A copy of the samples in which a test may edit.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-rP").arg(pipelines()).arg(folder.path());
    helm::run(copy).unwrap();
    folder
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}: {text}", path.display());
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn named<'a>(built: &'a [Value], name: &str) -> &'a Value {
    built
        .iter()
        .find(|object| object["metadata"]["name"] == name)
        .unwrap()
}

#[test]
fn every_overlay_builds_and_validates_and_the_api_server_takes_it() {
    let cluster = installed().cluster;
    for name in ["bank-a", "bank-b"] {
        let made = cluster
            .admin()
            .create("namespaces", "", &json!({"metadata": {"name": name}}));
        assert!(made.is_ok() || made.is_err_and(|refusal| refusal.code == 409));
    }
    let mut all = String::new();
    for folder in BUILT {
        let built = kustomize(&pipelines().join(folder)).unwrap();
        let arguments = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
        ];
        cluster
            .admin()
            .kubectl_reading(&arguments, &built)
            .ok()
            .unwrap_or_else(|why| panic!("{folder}: {why}"));
        all += &built;
        all += "---\n";
    }
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("rendered.yaml");
    std::fs::write(&file, &all).unwrap();
    let mut validate = Command::new(&binaries().operator);
    validate.args(["validate", "--output", "json"]).arg(&file);
    let output = validate.stdin(Stdio::null()).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // Secrets are not in git, which is no error: the check of the README passes.
    assert!(output.status.success(), "{report}");
    let expected = ["SignerMissing", "ContentNotFound"];
    let findings = report["findings"].as_array().unwrap();
    let others: Vec<&Value> = findings
        .iter()
        .filter(|finding| !expected.contains(&finding["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(others, Vec::<&Value>::new());
    assert_eq!(findings.len(), 3, "{report}");
    assert_eq!(report["unplanned"], json!([]));
}

#[test]
fn each_bank_sees_the_same_members_with_its_own_words() {
    let a = objects(&kustomize(&pipelines().join("bank-a/members")).unwrap());
    let b = objects(&kustomize(&pipelines().join("bank-b/members")).unwrap());
    let names = |built: &[Value]| -> Vec<String> {
        built
            .iter()
            .map(|object| object["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&a), ["bank-a", "bank-b", "bank-c", "kyc-registry"]);
    assert_eq!(names(&a), names(&b));
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a["spec"]["keys"], b["spec"]["keys"]);
    }
    assert_eq!(
        named(&a, "bank-b")["metadata"]["labels"]["tier"],
        "distributor"
    );
    assert_eq!(
        named(&b, "bank-b")["metadata"]["labels"]["tier"],
        Value::Null
    );
    assert_eq!(named(&a, "bank-c")["spec"]["suspended"], Value::Null);
    assert_eq!(named(&b, "bank-c")["spec"]["suspended"], true);
}

#[test]
fn what_is_not_the_consortiums_to_say_does_not_come_through_the_overlay() {
    let folder = copy();
    let root = folder.path().join("pipelines");
    let record = root.join("consortium/members/bank-c.yaml");
    edit(
        &record,
        "  name: bank-c\n",
        "  name: bank-c\n  labels: {tier: distributor, mine: not}\n  annotations: {argocd.argoproj.io/sync-options: Replace=true}\n",
    );
    edit(
        &record,
        "spec:\n",
        "spec:\n  suspended: true\n  node: {network: theirs, signer: {secretName: theirs}}\n",
    );
    for bank in ["bank-a", "bank-b"] {
        let built = objects(&kustomize(&root.join(bank).join("members")).unwrap());
        let planted = named(&built, "bank-c");
        let labels = &planted["metadata"]["labels"];
        assert_eq!(labels["mine"], Value::Null, "{planted}");
        assert_ne!(labels["tier"], "distributor", "{planted}");
        assert!(!planted.to_string().contains("Replace"), "{planted}");
        assert_eq!(planted["spec"]["node"], Value::Null, "{planted}");
        let suspended = if bank == "bank-b" {
            json!(true)
        } else {
            Value::Null
        };
        assert_eq!(planted["spec"]["suspended"], suspended, "{planted}");
    }
    // A record for a namespace of its own is noticed where the bank has something to say about it, as is one
    // that is gone.
    edit(
        &record,
        "  name: bank-c\n",
        "  name: bank-c\n  namespace: bank-x\n",
    );
    let refused = kustomize(&root.join("bank-a/members")).unwrap_err();
    assert!(refused.contains("bank-c"), "{refused}");
    edit(
        &root.join("consortium/members/kustomization.yaml"),
        "  - bank-c.yaml\n",
        "",
    );
    let refused = kustomize(&root.join("bank-a/members")).unwrap_err();
    assert!(refused.contains("bank-c"), "{refused}");
}

/// The README's suspension, word for word but for the namespace.
fn suspension(bank: &Namespace<'_>) -> String {
    let readme = std::fs::read_to_string(pipelines().join("README.md")).unwrap();
    let (_, after) = readme.split_once("<<'EOF'\n").unwrap();
    let (text, _) = after.split_once("    EOF\n").unwrap();
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    lines
        .join("\n")
        .replace("namespace: bank-a", &format!("namespace: {}", bank.name))
        + "\n"
}

fn suspend(bank: &Namespace<'_>, manager: &str, manifest: &str) {
    let manager = format!("--field-manager={manager}");
    bank.kubectl(&["apply", "--server-side", &manager, "-f", "-"], manifest)
        .ok()
        .unwrap();
}

fn is_suspended(bank: &Namespace<'_>) -> bool {
    bank.get("peerorganizations", "bank-b").unwrap()["spec"]["suspended"] == true
}

fn bank() -> Namespace<'static> {
    let bank = installed().cluster.namespace("piped");
    bank.until("the kinds", SEEN, || {
        Ok(bank.list("peerorganizations").map(drop)?)
    });
    bank
}

#[test]
fn a_suspension_of_its_own_field_manager_outlasts_flux_and_argo_cd() {
    let admin = installed().cluster.admin();
    for tool in ["Flux", "Argo CD"] {
        let bank = bank();
        let apply = |text: &str| match tool {
            "Flux" => flux(admin, "members", text).unwrap(),
            _ => argo_cd(admin, text).unwrap(),
        };
        let text = members(&pipelines(), &bank);
        apply(&text);
        assert!(!is_suspended(&bank), "{tool}");
        suspend(&bank, "finp2p-suspend", &suspension(&bank));
        apply(&text);
        assert!(is_suspended(&bank), "{tool} lifted the suspension");
        // Also when the consortium changes the record.
        apply(&text.replace(
            "/dns4/finp2p.bank-b.example/tcp/4001",
            "/dns4/other.bank-b.example/tcp/4001",
        ));
        let record = bank.get("peerorganizations", "bank-b").unwrap();
        assert_eq!(
            record["spec"]["addresses"][0],
            "/dns4/other.bank-b.example/tcp/4001"
        );
        assert!(is_suspended(&bank), "{tool} lifted the suspension");
        // And resumed by the same manager.
        let nothing = suspension(&bank);
        let (head, _) = nothing.split_once("  annotations:").unwrap();
        suspend(&bank, "finp2p-suspend", &format!("{head}spec: {{}}\n"));
        assert!(!is_suspended(&bank), "{tool}");
        let annotations =
            &bank.get("peerorganizations", "bank-b").unwrap()["metadata"]["annotations"];
        assert_eq!(annotations["argocd.argoproj.io/sync-options"], Value::Null);
    }
}

#[test]
fn flux_undoes_a_suspension_by_a_manager_whose_name_begins_with_kubectl() {
    let bank = bank();
    let admin = installed().cluster.admin();
    let text = members(&pipelines(), &bank);
    flux(admin, "members", &text).unwrap();
    suspend(&bank, "kubectl-finp2p", &suspension(&bank));
    assert!(is_suspended(&bank));
    flux(admin, "members", &text).unwrap();
    assert!(
        !is_suspended(&bank),
        "then the name of the manager need not be avoided any more"
    );
}

#[test]
fn a_suspended_record_stays_when_flux_prunes_it_and_comes_back_suspended() {
    let bank = bank();
    let admin = installed().cluster.admin();
    let text = members(&pipelines(), &bank);
    let without: String = text
        .split("---\n")
        .filter(|document| !document.contains("name: bank-b\n"))
        .collect::<Vec<_>>()
        .join("---\n");
    flux(admin, "members", &text).unwrap();
    // That pruning bites.
    flux(admin, "members", &without).unwrap();
    bank.until_gone("peerorganizations", "bank-b");
    flux(admin, "members", &text).unwrap();
    suspend(&bank, "finp2p-suspend", &suspension(&bank));
    flux(admin, "members", &without).unwrap();
    assert!(is_suspended(&bank));
    flux(admin, "members", &text).unwrap();
    assert!(is_suspended(&bank));
}

#[test]
fn a_suspension_in_the_overlay_comes_back_with_the_record() {
    let bank = bank();
    let admin = installed().cluster.admin();
    let folder = copy();
    let overlay = folder
        .path()
        .join("pipelines/bank-a/members/kustomization.yaml");
    edit(
        &overlay,
        "metadata: {name: bank-b, labels: {tier: distributor}}",
        "metadata: {name: bank-b}\n      spec: {suspended: true}",
    );
    let text = members(&folder.path().join("pipelines"), &bank);
    flux(admin, "members", &text).unwrap();
    assert!(is_suspended(&bank));
    bank.kubectl(&["delete", "peerorganization", "bank-b"], "")
        .ok()
        .unwrap();
    argo_cd(admin, &text).unwrap();
    assert!(is_suspended(&bank));
}

#[test]
fn flux_and_argo_cd_take_the_objects_that_deploy_a_bank() {
    let cluster = bare();
    let admin = cluster.admin();
    for (module, file) in [
        (
            FLUX_SOURCE,
            "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
        ),
        (
            FLUX_KUSTOMIZE,
            "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
        ),
        (ARGO_CD, "manifests/crds/application-crd.yaml"),
        (ARGO_CD, "manifests/crds/appproject-crd.yaml"),
    ] {
        let file = module_file(module, file);
        admin
            .kubectl(&["apply", "--server-side", "-f", file.to_str().unwrap()])
            .ok()
            .unwrap();
    }
    admin
        .kubectl(&["wait", "--for=condition=Established", "crd", "--all"])
        .ok()
        .unwrap();
    for name in ["bank-a", "argocd"] {
        admin
            .create("namespaces", "", &json!({"metadata": {"name": name}}))
            .unwrap();
    }
    for file in ["flux.yaml", "argocd.yaml"] {
        let path = pipelines().join("bank-a/deploy").join(file);
        let arguments = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            path.to_str().unwrap(),
        ];
        admin
            .kubectl(&arguments)
            .ok()
            .unwrap_or_else(|why| panic!("{file}: {why}"));
    }
}

#[test]
fn the_account_that_applies_the_consortiums_records_can_apply_nothing_else() {
    let installed = installed();
    let bank = bank();
    let flux_yaml = std::fs::read_to_string(pipelines().join("bank-a/deploy/flux.yaml")).unwrap();
    // Accounts and bindings; Flux's own kinds are not here.
    let rbac: Vec<&str> = flux_yaml
        .split("---\n")
        .filter(|document| !document.contains("fluxcd.io/v1"))
        .collect();
    let rbac = rbac
        .join("---\n")
        .replace("namespace: bank-a", &format!("namespace: {}", bank.name));
    bank.apply(&rbac).ok().unwrap();
    let account = bank.account("flux-members");
    flux(&account, "members", &members(&pipelines(), &bank)).unwrap();
    let sharing = kustomize(&pipelines().join("bank-a/sharing")).unwrap();
    let sharing = sharing.replace(
        "namespace: bank-a\n",
        &format!("namespace: {}\n", bank.name),
    );
    let policy = sharing
        .split("---\n")
        .find(|document| document.contains("kind: SharingPolicy"))
        .unwrap();
    let refused = flux(&account, "members", policy).unwrap_err();
    assert!(refused.contains("forbidden"), "{refused}");
    flux(&bank.account("flux-sharing"), "sharing", &sharing).unwrap();
    assert_eq!(
        installed
            .cluster
            .admin()
            .list("sharingpolicies", &bank.name)
            .unwrap()
            .len(),
        1
    );
}

/// What the README says of records that a plain `kubectl apply` made, with its command.
#[test]
fn a_record_that_a_plain_apply_made_is_suspended_by_a_patch_and_resumed_by_one() {
    let bank = bank();
    let text = members(&pipelines(), &bank);
    let plain = || bank.kubectl(&["apply", "-f", "-"], &text).ok().unwrap();
    let patch = |value: &str| {
        let patch = format!("{{\"spec\":{{\"suspended\":{value}}}}}");
        let readme = std::fs::read_to_string(pipelines().join("README.md")).unwrap();
        let readme = readme.replace('\n', " ");
        assert!(readme.contains(&format!("--type=merge -p '{patch}'")));
        let command = ["patch", "peerorganization", "bank-b", "--type=merge"];
        bank.kubectl(&[&command[..], &["-p", &patch]].concat(), "")
            .ok()
            .unwrap();
    };
    plain();
    patch("true");
    plain();
    assert!(is_suspended(&bank), "a plain apply lifts the suspension");
    patch("null");
    assert!(!is_suspended(&bank));
    // The other way works too, and only half: kubectl hands over the record with the field.
    suspend(&bank, "finp2p-suspend", &suspension(&bank));
    assert!(is_suspended(&bank));
    let whole = suspension(&bank);
    let (head, _) = whole.split_once("  annotations:").unwrap();
    let manager = "--field-manager=finp2p-suspend";
    let command = ["apply", "--server-side", manager, "-f", "-"];
    let resumed = bank.kubectl(&command, &format!("{head}spec: {{}}\n"));
    let refused = resumed.ok().unwrap_err();
    assert!(refused.contains("is invalid"), "{refused}");
    patch("null");
    assert!(!is_suspended(&bank));
}
