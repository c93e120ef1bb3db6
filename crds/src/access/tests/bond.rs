//! The world of the rules: a bond and a loan of ours, and two banks.

use super::super::*;
use super::world::{Ask, Declared, asset, at, labels, open, peer, policy, strings};

/// bank-b asks for everything of a bond with two plain units and two in an address.
pub fn ask() -> Ask {
    Ask {
        now: at(10),
        requester: "bank-b".to_owned(),
        resource: "us:102:BOND".to_owned(),
        operation: Operation::Fetch,
        purpose: None,
        wanted: None,
        units: Some(strings(&[
            "/name",
            "/coupon",
            "/address/city",
            "/address/street",
        ])),
    }
}

pub fn declared(specs: &[SharingPolicySpec]) -> Declared {
    let mut bond = asset("bond", "us:102:BOND");
    bond.payload.labels = labels(&[("desk", "bonds")]);
    let mut b = peer("b", "bank-b");
    b.payload.labels = labels(&[("region", "eu")]);
    Declared {
        peers: vec![b, peer("c", "bank-c")],
        policies: specs
            .iter()
            .enumerate()
            .map(|(i, spec)| policy(&format!("policy-{i}"), spec.clone()))
            .collect(),
        assets: vec![bond, asset("loan", "us:102:LOAN")],
    }
}

pub fn units(ask: &Ask, declared: &Declared) -> Vec<String> {
    ask.of(&decide, declared).unwrap().units
}

pub fn refusal(ask: &Ask, declared: &Declared) -> Refusal {
    ask.of(&decide, declared).unwrap_err()
}

/// The one policy's shortfall, after a refusal that tells nothing.
pub fn shortfall(ask: &Ask, spec: SharingPolicySpec) -> Shortfall {
    let refusal = refusal(ask, &declared(&[spec]));
    assert_eq!(
        (refusal.reason, refusal.told),
        (Reason::NotShared, Reason::NotShared)
    );
    assert_eq!(refusal.policies.len(), 1);
    refusal.policies[0].because.clone()
}

pub fn fields(list: &[&str]) -> SharingPolicySpec {
    SharingPolicySpec {
        all_fields: None,
        fields: Some(strings(list)),
        ..open()
    }
}

pub fn purposes(list: &[&str]) -> SharingPolicySpec {
    SharingPolicySpec {
        purposes: Some(strings(list)),
        ..open()
    }
}

pub fn wanting(pointers: &[&str]) -> Ask {
    Ask {
        wanted: Some(strings(pointers)),
        ..ask()
    }
}
