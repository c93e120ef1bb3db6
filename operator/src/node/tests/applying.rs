//! The order in which a plan is written.

use serde_json::json;

use super::fake::Fake;
use super::scene::*;
use crate::node::apply::Applier;
use crate::node::observe::Watched;

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
    assert_eq!(applied.await.unwrap(), Vec::<String>::new());
    let asked = fake.take_asked().into_iter();
    asked
        .map(|(_, path, _)| path.trim_start_matches(CONFIGS).to_owned())
        .collect()
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
