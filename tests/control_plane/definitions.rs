//! The CRDs as a user installs them.

use finp2p_tests::binaries::root;
use finp2p_tests::control_plane::{ControlPlane, Settings};

#[test]
fn the_crds_apply_strictly_for_trial_and_for_real_and_once_more() {
    let cluster = ControlPlane::start(Settings {
        definitions: false,
        controllers: false,
        ..Settings::default()
    });
    let folder = root().join("crds/yaml");
    let apply = |more: &[&str]| {
        let mut arguments = vec!["apply", "--server-side", "--validate=strict", "-f"];
        arguments.push(folder.to_str().unwrap());
        arguments.extend(more);
        let printed = cluster.admin().kubectl(&arguments);
        assert_eq!(printed.stderr, "", "no error and no warning");
        assert!(printed.success);
        printed.stdout.lines().count()
    };
    let files = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(apply(&["--dry-run=server"]), files);
    let trial = cluster
        .admin()
        .list("customresourcedefinitions", "")
        .unwrap();
    assert_eq!(trial.len(), 0, "a trial leaves nothing");

    assert_eq!(apply(&[]), files);
    let wait = [
        "wait",
        "crd",
        "--all",
        "--for=condition=Established",
        "--timeout=60s",
    ];
    let seen = cluster.admin().kubectl(&wait);
    assert!(seen.success, "{}", seen.stderr);
    let installed = cluster
        .admin()
        .list("customresourcedefinitions", "")
        .unwrap();
    for definition in &installed {
        for condition in definition["status"]["conditions"].as_array().unwrap() {
            let wanted = match condition["type"].as_str().unwrap() {
                "NamesAccepted" | "Established" => "True",
                "NonStructuralSchema" | "Terminating" | "KubernetesAPIApprovalPolicyConformant" => {
                    "False"
                }
                other => panic!("a condition nobody thought of: {other}"),
            };
            assert_eq!(condition["status"], wanted, "{condition}");
        }
    }

    assert_eq!(apply(&[]), files);
    let again = cluster
        .admin()
        .list("customresourcedefinitions", "")
        .unwrap();
    let version = |n: usize| &again[n]["metadata"]["resourceVersion"];
    for (n, before) in installed.iter().enumerate() {
        assert_eq!(
            &before["metadata"]["resourceVersion"],
            version(n),
            "the same again writes nothing"
        );
    }
}
