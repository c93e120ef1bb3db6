//! What an audit log holds, sorted: what was decided one by one, and what was only counted.

use std::collections::BTreeMap;

use serde_json::Value;

/// What entries of the audit log say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Organization and code of each decision, in their order.
    pub decided: Vec<(String, u64)>,
    /// How often each pair of organization and code was counted.
    pub counted: BTreeMap<(Option<String>, u64), u64>,
}

/// Sorts entries of the audit log.
pub fn kept(entries: &[Value]) -> Kept {
    let mut kept = Kept::default();
    let name = |value: &Value| value["org"].as_str().map(str::to_owned);
    for entry in entries {
        match entry["k"].as_str().unwrap() {
            "decision" => {
                let code = entry["code"].as_u64().unwrap();
                kept.decided.push((name(entry).unwrap(), code));
            }
            "counted" => {
                for count in entry["counts"].as_array().unwrap() {
                    let key = (name(count), count["code"].as_u64().unwrap());
                    *kept.counted.entry(key).or_default() += count["n"].as_u64().unwrap();
                }
            }
            other => panic!("{other}"),
        }
    }
    kept
}
