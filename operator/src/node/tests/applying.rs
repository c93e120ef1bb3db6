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

/// Applies what the scene plans to an API server that refuses writes at some paths; returns what stands in
/// the way, and what was written.
async fn refused_at(
    scene: &Scene,
    there: &[(&str, Value)],
    refuses: &[(&str, Value)],
) -> (Vec<Obstacle>, Vec<String>) {
    let fake = Fake::start().await;
    {
        let mut held = fake.held.lock().unwrap();
        let owned = |(path, value): &(&str, Value)| ((*path).to_owned(), value.clone());
        held.objects.extend(there.iter().map(owned));
        held.refuses.extend(refuses.iter().map(owned));
    }
    let mut applier = Applier::new(fake.client.clone(), "bank-a");
    let key = || zeroize::Zeroizing::new([7; 32]);
    let (plan, watched) = (scene.plan(), Watched::default());
    let met = applier.apply(&plan, &watched, key).await.unwrap();
    let asked = fake.take_asked().into_iter();
    (met, asked.map(|(_, path, _)| path).collect())
}

const SET: &str = "/apis/apps/v1/namespaces/bank-a/statefulsets/finp2p-bank-a";
const CLAIM: &str = "/api/v1/namespaces/bank-a/persistentvolumeclaims/state-finp2p-bank-a-0";

#[tokio::test]
async fn configuration_that_a_policy_refuses_is_told_from_a_pod_that_one_refuses() {
    let denied = json!({"code": 403, "reason": "Forbidden", "message": "ValidatingAdmissionPolicy 'freeze' denied request"});
    let mut scene = Scene::bank_a();
    scene.inputs.cluster = Some(Cluster::default());
    let root = format!("{CONFIGS}/bank-a");
    for (path, holds_up) in [(SET, false), (&root, true)] {
        let (met, _) = refused_at(&scene, &[], &[(path, denied.clone())]).await;
        let held_up: Vec<_> = met.iter().map(|o| o.holds_up_configuration).collect();
        assert_eq!(held_up, [holds_up], "{met:?}");
    }
}

#[tokio::test]
async fn a_pod_is_not_made_to_mount_a_store_key_that_cannot_be_made() {
    let mut scene = Scene::bank_a();
    scene.inputs.cluster = Some(Cluster::default());
    let (met, written) = refused_at(&scene, &[], &[]).await;
    assert_eq!(met, []);
    assert!(written.iter().any(|path| path == SET), "{written:?}");
    let claim = json!({"metadata": {"name": "state-finp2p-bank-a-0"}});
    let (met, written) = refused_at(&scene, &[(CLAIM, claim)], &[]).await;
    assert!(met[0].text.contains("the store key, is gone"), "{met:?}");
    assert!(!written.iter().any(|path| path == SET), "{written:?}");
}

#[tokio::test]
async fn what_is_wrong_with_the_volume_is_told_in_a_sentence() {
    let mut scene = Scene::bank_a();
    scene.inputs.cluster = Some(Cluster::default());
    let set = scene.plan().owned.unwrap().stateful_set.unwrap();
    let cluster = scene.inputs.cluster.as_mut().unwrap();
    cluster.volume_claim_templates = set.spec.volume_claim_templates;
    scene.edit_organization("local", |local| {
        let size = json!({"size": "20Gi"});
        local.spec.node.as_mut().unwrap().storage = serde_json::from_value(size).unwrap();
    });
    let claim = json!({"metadata": {"name": "state-finp2p-bank-a-0"}});
    let sentence = "spec: Forbidden: spec is immutable after creation except resources.requests";
    let refuses = json!({"code": 422, "message": format!("{sentence}\n  core.PersistentVolumeClaimSpec{{\n")});
    let (met, _) = refused_at(&scene, &[(CLAIM, claim)], &[(CLAIM, refuses)]).await;
    let told = met.iter().find(|o| o.text.contains(sentence)).unwrap();
    assert!(!told.text.contains("core."), "{told:?}");
    assert!(told.text.ends_with("(422)"), "{told:?}");
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
