//! The order in which a plan is written.

use serde_json::{Value, json};

use super::fake::Fake;
use super::scene::*;
use crate::node::apply::Applier;
use crate::node::inputs::Cluster;
use crate::node::observe::Watched;
use crate::node::plan::owned::Obstacle;

const CONFIGS: &str = "/apis/sharing.finp2p.io/v1alpha1/namespaces/bank-a/sidecarconfigs";

/// Applies what is planned to an API server that holds what the scene's previous plan left, and
/// returns the names of what was written, in order.
async fn written(scene: &Scene) -> Vec<String> {
    let fake = Fake::start().await;
    let watched = Watched::default();
    if let Some(previous) = &scene.inputs.previous {
        for config in [&previous.root].into_iter().chain(&previous.slices) {
            let path = format!("{CONFIGS}/{}", config.metadata.name.as_ref().unwrap());
            fake.held
                .lock()
                .unwrap()
                .objects
                .insert(path, json!(config));
            watched.configs.wrote(config.clone());
        }
    }
    let mut applier = Applier::new(fake.client.clone(), "bank-a");
    let plan = scene.plan();
    let applied = applier.apply(&plan, &watched, || unreachable!());
    assert_eq!(applied.await.unwrap(), []);
    let asked = fake.take_asked().into_iter();
    asked
        .map(|(_, path, _)| path.trim_start_matches(CONFIGS).to_owned())
        .collect()
}

/// What stands in the way when the API server answers so to the StatefulSet of the node.
async fn obstacle(status: Value) -> Obstacle {
    let fake = Fake::start().await;
    let path = "/apis/apps/v1/namespaces/bank-a/statefulsets/finp2p-bank-a";
    fake.held
        .lock()
        .unwrap()
        .refuses
        .insert(path.to_owned(), status);
    let mut scene = Scene::bank_a();
    scene.inputs.cluster = Some(Cluster::default());
    let mut applier = Applier::new(fake.client.clone(), "bank-a");
    let watched = Watched::default();
    let key = || zeroize::Zeroizing::new([7; 32]);
    let mut met = applier.apply(&scene.plan(), &watched, key).await.unwrap();
    assert_eq!(met.len(), 1, "the rest is written: {met:?}");
    let written = fake.held.lock().unwrap().objects.clone();
    assert!(written.contains_key(&format!("{CONFIGS}/bank-a")));
    met.remove(0)
}

#[tokio::test]
async fn a_pod_that_the_api_server_finds_invalid_is_a_mistake_in_the_manifest() {
    let said = "StatefulSet.apps \"finp2p-bank-a\" is invalid: spec.template.spec.containers[0].image: Required value";
    let field = "spec.template.spec.containers[1].image";
    let invalid = json!({"code": 422, "reason": "Invalid", "message": said,
        "details": {"causes": [{"reason": "FieldValueRequired", "field": field}]}});
    let told = obstacle(invalid).await;
    assert!(told.is_mistake);
    let text = told.text;
    assert!(text.contains(said), "{text}");
    assert!(
        text.contains("Mend it in spec.node.podTemplate of this"),
        "{text}"
    );
}

#[tokio::test]
async fn a_pod_that_is_refused_for_another_reason_is_no_mistake_in_the_manifest() {
    let policy = "ValidatingAdmissionPolicy 'images' denied request";
    for code in [403, 422] {
        let denied =
            json!({"code": code, "message": policy, "details": {"causes": [{"message": policy}]}});
        let told = obstacle(denied).await;
        assert!(!told.is_mistake, "{told:?}");
        assert!(told.text.contains(policy), "{told:?}");
    }
    assert!(
        !obstacle(json!({"code": 500, "message": "etcd"}))
            .await
            .is_mistake
    );
}

#[tokio::test]
async fn new_slices_are_written_before_the_root_that_names_them() {
    assert_eq!(written(&Scene::bank_a()).await, ["/bank-a-s1-0", "/bank-a"]);
}

#[tokio::test]
async fn an_edited_slice_is_written_after_the_root() {
    let mut scene = Scene::bank_a();
    scene.settle();
    scene.edit_organization("bank-b", |o| o.spec.suspended = Some(true));
    assert_eq!(written(&scene).await, ["/bank-a", "/bank-a-s1-0"]);
}

#[tokio::test]
async fn a_slice_that_the_root_names_and_that_somebody_deleted_is_written_after_the_root() {
    let mut scene = Scene::bank_a();
    scene.settle();
    scene.inputs.previous.as_mut().unwrap().slices.clear();
    assert_eq!(written(&scene).await, ["/bank-a", "/bank-a-s1-0"]);
}
