//! What others write over planned fields is put back, at once some times and then seldom.

use k8s_openapi::api::rbac::v1::Role;
use serde_json::json;

use super::*;
use crate::node::tests::fake::{Fake, manager};

fn role(verb: &str) -> Role {
    serde_json::from_value(json!({
        "metadata": {"name": "node"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": [verb]}],
    }))
    .unwrap()
}

/// Somebody writes another rule over the planned one: it is his from then on.
fn tampered(cache: &Cache<Role>) {
    let mut role = role("delete");
    let ours = cache.get("node").unwrap();
    let version: u64 = ours.resource_version().unwrap().parse().unwrap();
    role.metadata.resource_version = Some((version + 1).to_string());
    role.metadata.annotations = ours.metadata.annotations.clone();
    let managers = json!([{"manager": FIELD_MANAGER, "operation": "Apply"}, manager("Update")]);
    role.metadata.managed_fields = serde_json::from_value(managers).unwrap();
    cache.wrote(role);
}

/// Lets as much time go by since something was undone.
fn pass(applier: &mut Applier, time: Duration) {
    for undone in applier.undone.values_mut() {
        undone.at = undone.at.checked_sub(time).unwrap();
    }
}

#[tokio::test]
async fn a_planned_field_is_put_back_at_once_some_times_and_then_seldom_and_that_is_told() {
    let fake = Fake::start().await;
    let cache = Cache::with_managers();
    let mut applier = Applier::new(fake.client.clone(), "bank-a");
    let planned = role("get");
    applier.owned(&cache, &planned).await.unwrap();
    assert_eq!(fake.take_asked().len(), 1, "it is made");
    applier.owned(&cache, &planned).await.unwrap();
    assert_eq!(fake.take_asked(), [], "it is as planned");
    for _at_once in 0..UNDO_AT_ONCE {
        tampered(&cache);
        applier.owned(&cache, &planned).await.unwrap();
        assert_eq!(fake.take_asked().len(), 1, "it is put back");
        assert_eq!(cache.get("node").unwrap().rules, planned.rules);
        let told = applier.take_undone();
        assert!(
            told[0].note.contains("kubectl-edit wrote rules"),
            "{told:?}"
        );
    }

    tampered(&cache);
    let told = applier
        .owned(&cache, &planned)
        .await
        .unwrap_err()
        .to_string();
    assert!(told.contains("changed again and again"), "{told}");
    assert!(told.contains("kubectl-edit wrote rules"), "{told}");
    assert_eq!(fake.take_asked(), [], "it waits");

    pass(&mut applier, UNDO_PAUSE);
    let told = applier
        .owned(&cache, &planned)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("changed again and again"),
        "told until it stays away: {told}"
    );
    assert_eq!(fake.take_asked().len(), 1, "it is put back");

    tampered(&cache);
    applier.owned(&cache, &planned).await.unwrap_err();
    assert_eq!(fake.take_asked(), [], "each time waits from here on");
    pass(&mut applier, UNDO_PAUSE);
    applier.owned(&cache, &planned).await.unwrap_err();
    assert_eq!(fake.take_asked().len(), 1);
    pass(&mut applier, UNDO_PAUSE);
    applier.owned(&cache, &planned).await.unwrap();
    tampered(&cache);
    applier.owned(&cache, &planned).await.unwrap();
    assert_eq!(
        fake.take_asked().len(),
        1,
        "it had stayed away: at once again"
    );
}
