//! What records must do and must refuse, over the whole of this module.

mod scene;

use super::*;
use scene::{Scene, pointers};
use serde_json::json;

#[test]
fn a_reader_sees_exactly_the_units_it_was_granted() {
    let scene = Scene::new();
    let record = scene.issue(1);
    let presented = record.disclose(&pointers(&["/name", "/address/country"]));
    let verified = scene.verify(presented.as_str()).unwrap();
    assert_eq!(
        json!(verified.data),
        json!({"name": "Bond 2031", "address": {"country": "DE"}})
    );
    assert_eq!(verified.hash, record.hash());
    assert_eq!(verified.claims, scene.claims(1));
    assert_eq!(
        verified.units,
        Units::from(pointers(&["/name", "/address/country"]))
    );
}
