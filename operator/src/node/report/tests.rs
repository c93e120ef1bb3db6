use serde_json::Value;

use super::*;
use crate::node::tests::fake::Fake;
use crate::node::tests::scene::{Scene, labels};

fn event(note: &str) -> Event {
    Event {
        type_: EventType::Normal,
        reason: "AccessWidened".to_owned(),
        note: Some(note.to_owned()),
        action: "Configure".to_owned(),
        secondary: None,
    }
}

#[tokio::test]
async fn events_of_one_reason_about_one_object_each_keep_their_own_words() {
    let fake = Fake::start().await;
    let mut speaker = Speaker::new(fake.client.clone(), "bank-a", "operator-1");
    speaker.events_left = EVENTS_MAX;
    let local = ObjectReference {
        kind: Some("PeerOrganization".to_owned()),
        name: Some("local".to_owned()),
        namespace: Some("bank-a".to_owned()),
        ..ObjectReference::default()
    };
    for note in ["bank-b may fetch", "bank-c may fetch", "bank-c may fetch"] {
        speaker.publish(&local, &event(note)).await;
    }
    let asked = fake.take_asked();
    let made = asked.iter().filter(|(method, ..)| method == "POST");
    let made: Vec<(&Value, &Value)> = made
        .map(|(_, _, body)| (&body["metadata"]["name"], &body["note"]))
        .collect();
    assert_eq!(made.len(), 2, "{asked:#?}");
    assert_ne!(made[0].0, made[1].0);
    assert_eq!(
        (made[0].1, made[1].1),
        (&json!("bank-b may fetch"), &json!("bank-c may fetch"))
    );
    // What says the same is counted.
    assert_eq!(asked.len(), 3, "{asked:#?}");
    assert_eq!(asked[2].0, "PATCH");
    assert_eq!(asked[2].2["series"]["count"], 2, "{asked:#?}");
}

#[test]
fn a_suspension_is_told_once_with_the_change_behind_it() {
    let mut scene = Scene::bank_a();
    let status = |scene: &mut Scene| {
        let plan = scene.settle();
        let mut all = plan.organizations.into_iter();
        all.find(|o| o.name == "bank-b").unwrap().status
    };
    let before = status(&mut scene);
    scene.edit_organization("bank-b", |o| o.spec.suspended = Some(true));
    let suspended = status(&mut scene);
    let annotations = labels(&[(CHANGE_ANNOTATION, "CHG-7")]);
    let told = news(Some(&before), &suspended, &annotations, false);
    assert_eq!(told.len(), 1);
    assert!(matches!(told[0].type_, EventType::Normal));
    assert_eq!(told[0].reason, "Suspended");
    let note = told[0].note.as_deref().unwrap();
    assert!(note.ends_with("(change CHG-7)"), "{note}");
    assert!(news(Some(&suspended), &suspended, &annotations, false).is_empty());
    // Lifting it is a widening, told on the local organization.
    assert!(news(Some(&suspended), &before, &annotations, false).is_empty());
}
