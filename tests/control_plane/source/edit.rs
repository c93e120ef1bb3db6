//! How soon an edit is in force.

use std::time::{Duration, Instant};

use finp2p_tests::control_plane::ControlPlane;
use serde_json::json;

use super::two_banks;
use crate::bank::policy;

/// Edits of which the time is taken.
const EDITS: usize = 40;

#[test]
fn an_edit_is_in_force_a_moment_after_it_was_written() {
    let (mut primary, reader) = two_banks(ControlPlane::shared());
    let trading = reader.api("trading");
    let fetch = || {
        trading
            .fetch(&json!({"resource": "bank-a:102:bond"}))
            .unwrap()
            .status
    };
    let mut times = Vec::new();
    for edit in 0..EDITS {
        let withdraw = edit % 2 == 0;
        primary.config.sequence += 1;
        let entries = &mut primary.config.slices[0].1;
        if withdraw {
            entries.retain(|entry| entry["kind"] != "Policy");
        } else {
            entries.push(policy("bonds-to-b", "bank-b"));
        }
        primary.write_root();
        primary.write_slice(0);
        let written = Instant::now();
        while (fetch() == 200) == withdraw {
            assert!(written.elapsed() < Duration::from_secs(30), "edit {edit}");
        }
        times.push(written.elapsed());
    }
    times.sort();
    let (median, worst) = (times[EDITS / 2], times[EDITS - 1]);
    println!("from the write to the changed answer: median {median:?}, worst {worst:?}");
    assert!(median < Duration::from_millis(250), "{times:?}");
}
