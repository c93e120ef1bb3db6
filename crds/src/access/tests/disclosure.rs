//! What grants disclose and what a refused peer is told, one sentence each.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::*;
use super::bond::{ask, declared, fields, purposes, refusal, units, wanting};
use super::world::{Ask, at, open, strings};

#[test]
fn with_purposes_a_request_must_name_one_of_them() {
    let world = declared(&[purposes(&["audit", "trade"])]);
    let asking = |purpose: Option<&str>| Ask {
        purpose: purpose.map(str::to_owned),
        ..ask()
    };
    assert!(asking(Some("audit")).of(&decide, &world).is_ok());
    for other in [None, Some(""), Some("Audit"), Some("tax")] {
        let refusal = refusal(&asking(other), &world);
        assert_eq!(
            (refusal.reason, refusal.told),
            (Reason::Purpose, Reason::Purpose)
        );
        assert_eq!(refusal.policies[0].because, Shortfall::Purpose);
    }
    assert!(
        asking(Some("tax"))
            .of(&decide, &declared(&[open()]))
            .is_ok()
    );
}

#[test]
fn fields_of_one_policy_do_not_combine_with_purposes_of_another() {
    let audit_only = SharingPolicySpec {
        purposes: Some(strings(&["audit"])),
        ..fields(&["/coupon"])
    };
    let world = declared(&[audit_only, fields(&["/name"])]);
    assert_eq!(units(&ask(), &world), ["/name"]);
    let audit = Ask {
        purpose: Some("audit".to_owned()),
        ..ask()
    };
    assert_eq!(units(&audit, &world), ["/name", "/coupon"]);
}

#[test]
fn a_pointer_opens_what_is_at_or_below_it_and_nothing_where_there_is_nothing() {
    let world = declared(&[fields(&["/address", "/nam", "/name/first", "/ghost"])]);
    assert_eq!(units(&ask(), &world), ["/address/city", "/address/street"]);
    let record = ask().units.unwrap();
    let spec = &world.policies[0].payload.spec;
    assert_eq!(
        fields_unknown(spec, &record),
        ["/nam", "/name/first", "/ghost"]
    );
    let nothing = refusal(&ask(), &declared(&[fields(&["/ghost"])]));
    assert_eq!(
        (nothing.reason, nothing.told),
        (Reason::Fields, Reason::Fields)
    );
}

#[test]
fn a_parent_is_granted_only_if_everything_below_it_is() {
    let half = declared(&[fields(&["/address/city"])]);
    let both = declared(&[fields(&["/address/city"]), fields(&["/address/street"])]);
    assert_eq!(
        units(&wanting(&["/address/city"]), &half),
        ["/address/city"]
    );
    assert_eq!(refusal(&wanting(&["/address"]), &half).told, Reason::Fields);
    assert_eq!(
        units(&wanting(&["/address"]), &both),
        ["/address/city", "/address/street"]
    );
}

#[test]
fn what_does_not_exist_is_refused_exactly_like_what_is_not_granted() {
    let world = declared(&[fields(&["/name"])]);
    let ungranted = refusal(&wanting(&["/coupon"]), &world);
    assert_eq!(ungranted.reason, Reason::Fields);
    for pointers in [
        &["/ghost"][..],
        &["/address"],
        &["/name", "/coupon"],
        &["/name", "/ghost"],
        &["/name/first"],
        &["/nam"],
        &[""],
        &["/"],
        &["name"],
        &[],
    ] {
        assert_eq!(
            refusal(&wanting(pointers), &world),
            ungranted,
            "{pointers:?}"
        );
    }
    let too_many = vec!["/name"; WANTED_MAX_POINTERS + 1];
    assert_eq!(refusal(&wanting(&too_many), &world), ungranted);
    assert_eq!(units(&wanting(&too_many[1..]), &world), ["/name"]);
}

#[test]
fn missing_content_is_told_to_granted_readers_only() {
    let empty = Ask {
        units: None,
        wanted: Some(strings(&["/coupon"])),
        ..ask()
    };
    assert_eq!(
        refusal(&empty, &declared(&[open()])).told,
        Reason::NoContent
    );
    assert_eq!(
        refusal(&empty, &declared(&[purposes(&["audit"])])).told,
        Reason::Purpose
    );
    assert_eq!(refusal(&empty, &declared(&[])).told, Reason::NotShared);
}

#[test]
fn a_policy_that_is_not_advertised_grants_and_is_never_betrayed() {
    let hidden = |spec| SharingPolicySpec {
        advertise: Some(false),
        ..spec
    };
    assert!(ask().of(&decide, &declared(&[hidden(open())])).is_ok());
    for (specs, reason, told) in [
        (
            vec![hidden(fields(&["/ghost"]))],
            Reason::Fields,
            Reason::NotShared,
        ),
        (
            vec![hidden(purposes(&["audit"]))],
            Reason::Purpose,
            Reason::NotShared,
        ),
        (
            vec![hidden(fields(&["/ghost"])), purposes(&["audit"])],
            Reason::Fields,
            Reason::Purpose,
        ),
    ] {
        let refusal = refusal(&ask(), &declared(&specs));
        assert_eq!((refusal.reason, refusal.told), (reason, told));
        assert_eq!(refusal.policies.len(), specs.len());
    }
}

#[test]
fn the_audit_sees_every_policy_that_failed_and_why_by_name() {
    let expired = SharingPolicySpec {
        not_after: Some(Time(at(10))),
        ..open()
    };
    let world = declared(&[purposes(&["audit"]), expired, fields(&["/ghost"])]);
    let refusal = refusal(&ask(), &world);
    let because: Vec<_> = refusal
        .policies
        .iter()
        .map(|miss| (miss.policy.name.as_str(), miss.because.clone()))
        .collect();
    assert_eq!(
        because,
        [
            ("policy-0", Shortfall::Purpose),
            ("policy-1", Shortfall::Expired),
            ("policy-2", Shortfall::Fields),
        ]
    );
}

#[test]
fn the_audit_sees_which_policy_would_have_carried_the_request_and_what_it_lacked() {
    let expired = |spec| SharingPolicySpec {
        not_after: Some(Time(at(10))),
        ..spec
    };
    let to_come = |spec| SharingPolicySpec {
        not_before: Some(Time(at(11))),
        ..spec
    };
    let unsupported = |spec| SharingPolicySpec {
        retention_days: Some(3),
        ..spec
    };
    let audit = || purposes(&["audit"]);
    let instead = |ask: &Ask, specs: &[SharingPolicySpec]| {
        let refusal = refusal(ask, &declared(specs));
        assert_eq!(refusal.reason, refusal.told);
        (refusal.reason, refusal.instead)
    };
    let purpose = |instead| (Reason::Purpose, instead);
    for (specs, expected) in [
        (vec![audit()], purpose(None)),
        (
            vec![audit(), expired(open())],
            purpose(Some(Shortfall::Expired)),
        ),
        (
            vec![audit(), to_come(open())],
            purpose(Some(Shortfall::NotYetValid)),
        ),
        (
            vec![audit(), unsupported(open())],
            purpose(Some(Shortfall::NotYetSupported(vec!["retentionDays"]))),
        ),
        (vec![audit(), expired(purposes(&["tax"]))], purpose(None)),
        (
            vec![audit(), expired(purposes(&["tax"])), to_come(open())],
            purpose(Some(Shortfall::NotYetValid)),
        ),
        (
            vec![fields(&["/name"]), expired(fields(&["/coupon"]))],
            (Reason::Fields, Some(Shortfall::Expired)),
        ),
        (
            vec![fields(&["/name"]), expired(fields(&["/address"]))],
            (Reason::Fields, None),
        ),
    ] {
        let wanting = wanting(&["/name", "/coupon"]);
        assert_eq!(instead(&wanting, &specs), expected, "{specs:?}");
    }
    // Before there is a record, an expired policy for this purpose is as much as can be said.
    let empty = Ask {
        units: None,
        ..ask()
    };
    assert_eq!(
        instead(&empty, &[audit(), expired(open())]),
        purpose(Some(Shortfall::Expired))
    );
    assert_eq!(
        instead(&empty, &[open(), expired(open())]),
        (Reason::NoContent, None)
    );
}

#[test]
fn a_grant_that_opens_nothing_of_the_answer_is_not_named() {
    let world = declared(&[
        fields(&["/name"]),
        fields(&["/ghost"]),
        fields(&["/coupon"]),
    ]);
    let names = |ask: &Ask| -> Vec<String> {
        let grants = ask.of(&decide, &world).unwrap().grants;
        grants
            .iter()
            .map(|grant| grant.policy.name.clone())
            .collect()
    };
    assert_eq!(names(&ask()), ["policy-0", "policy-2"]);
    assert_eq!(names(&wanting(&["/coupon"])), ["policy-2"]);
}
