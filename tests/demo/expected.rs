//! What the scenario must show, field by field. Written down here and not read from the
//! manifests: a changed policy must be noticed, not followed.

use serde_json::{Value, json};

pub const BOND: &str = "bank-a:102:ZZGREEN20318";
pub const VAULT: &str = "bank-a:102:ZZVAULT20295";
/// Well formed, and nobody ever made it.
pub const ABSENT: &str = "bank-a:102:ZZNOSUCH0001";

/// What bank-b may see of the bond for any purpose.
pub fn terms() -> Value {
    json!({
        "isin": "ZZGREEN20318",
        "name": "Green Bond 2031 (fictitious)",
        "issuer": "Example Wind Park SE (fictitious)",
        "currency": "EUR",
        "terms": {"coupon": "3.125", "maturity": "2031-06-16", "denomination": "100000"}
    })
}

/// What bank-b may see in order to settle: the terms, and where the bond settles.
pub fn with_settlement() -> Value {
    let mut all = terms();
    all["settlement"] = json!({"place": "Example CSD (fictitious)", "account": "EX-00417"});
    all
}

/// The terms after the coupon was taken out of the policy.
pub fn terms_without_coupon() -> Value {
    let mut terms = terms();
    if let Some(inner) = terms.get_mut("terms").and_then(Value::as_object_mut) {
        inner.remove("coupon");
    }
    terms
}
