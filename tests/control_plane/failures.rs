//! What is known of a failed test is kept, and the message says where.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use finp2p_tests::control_plane::ControlPlane;
use serde_json::json;

#[test]
fn a_deadline_that_passes_names_the_folder_with_objects_events_and_logs() {
    let namespace = ControlPlane::shared().namespace("failure");
    let admin = namespace.cluster().admin();
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"key": "planted-value"}});
    admin.create("secrets", &namespace.name, &secret).unwrap();
    let asset = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharedAsset",
        "metadata": {"name": "x"}, "spec": {"content": {"api": {}}}});
    admin
        .create("sharedassets", &namespace.name, &asset)
        .unwrap();

    let failed = catch_unwind(AssertUnwindSafe(|| {
        namespace.until("pigs that fly", Duration::ZERO, || {
            Err::<(), _>("no wings".to_owned())
        });
    }))
    .unwrap_err();
    let message = failed.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("pigs that fly") && message.contains("no wings"),
        "{message}"
    );
    let folder = message.rsplit("are in ").next().unwrap().trim();
    let read = |path: &str| fs::read_to_string(Path::new(folder).join(path)).unwrap();
    let of = |resource: &str| read(&format!("{}/{resource}", namespace.name));
    assert!(of("sharedassets.yaml").contains("name: x"));
    assert!(of("secrets.yaml").contains("name: s"));
    assert!(
        !of("secrets.yaml").contains("planted-value")
            && !of("secrets.yaml").contains("cGxhbnRlZC12YWx1ZQ")
    );
    assert!(of("events.txt").is_empty(), "there were none");
    assert!(!read("logs/kube-apiserver.log").is_empty());
    fs::remove_dir_all(folder).unwrap();
}
