//! A node that takes its configuration from a real API server, with the rights of a node.

mod access;
mod content;
mod edit;
mod restore;
mod set;

use finp2p_tests::control_plane::ControlPlane;
use serde_json::{Value, json};

use crate::bank::{Bank, asset, bonds, policy};

/// What the assets here hold.
fn value(text: &str) -> Value {
    json!({"isin": "ZZGREEN20318", "price": text})
}

/// A bank with one asset from the Secret `bonds`, whose node serves.
pub fn with_a_bond(cluster: &ControlPlane, org: &str) -> Bank {
    let mut bank = Bank::new(cluster, org);
    bank.put("secrets", &bonds(&[("bond", value("101"))], true));
    bank.config.slices[0].1 = vec![asset(org, "bond")];
    bank.come_up();
    bank.until("the bond", |bank| price(bank, "bond", "101"));
    bank
}

/// Whether the asset is published with this price.
fn price(bank: &Bank, asset: &str, expected: &str) -> Result<Value, String> {
    let answer = bank.api("trading").get(&format!("/v1/assets/{asset}"))?;
    (answer.status == 200 && answer.body["data"]["price"] == expected)
        .then(|| answer.body.clone())
        .ok_or_else(|| answer.body.to_string())
}

/// Two banks that know each other; the policy of the first lets the second fetch its bond.
fn two_banks(cluster: &ControlPlane) -> (Bank, Bank) {
    let mut primary = with_a_bond(cluster, "bank-a");
    let mut reader = Bank::new(cluster, "bank-b");
    reader.come_up();
    let (a, b) = (primary.as_peer(), reader.as_peer());
    reader.edit(|config| config.slices[0].1 = vec![a]);
    primary.edit(|config| {
        config.slices[0]
            .1
            .extend([b, policy("bonds-to-b", "bank-b")]);
    });
    reader.until("the bond at its reader", granted);
    (primary, reader)
}

fn granted(reader: &Bank) -> Result<(), String> {
    let answer = reader.fetch("bank-a:102:bond")?;
    (answer.status == 200)
        .then_some(())
        .ok_or_else(|| answer.body.to_string())
}

fn refused(reader: &Bank) -> Result<(), String> {
    let answer = reader.fetch("bank-a:102:bond")?;
    // Whatever the reason, a peer is told the same.
    (answer.status == 403 || answer.status == 404)
        .then_some(())
        .ok_or_else(|| format!("{}: {}", answer.status, answer.body))
}
