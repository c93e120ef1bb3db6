//! Decision 13: what is signed, when it is renewed, and when it is alarming.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_wire::certificate::{Certificate, Moment, Role, RootKey, Trust, Use, verify_chain};
use finp2p_wire::key::{PublicKey, SigningKey};
use jiff::SignedDuration;

use super::scene::*;
use crate::node::plan::Plan;
use crate::node::plan::certificate::seconds;

const PO: &str = "PeerOrganization";
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn certificates(plan: &Plan) -> Vec<Certificate> {
    let root = plan
        .root
        .as_ref()
        .unwrap()
        .config
        .spec
        .root
        .as_ref()
        .unwrap();
    let decode =
        |text: &String| Certificate::decode_unverified(&STANDARD.decode(text).unwrap()).unwrap();
    root.certificates.iter().map(decode).collect()
}

fn roles(plan: &Plan) -> Vec<Role> {
    certificates(plan)
        .iter()
        .map(|c| c.role().unwrap())
        .collect()
}

/// What a peer that pins our root makes of the certificates the node presents: the issuing
/// certificate and, for each key, the one that ends last.
fn a_peer_believes(plan: &Plan, now: jiff::Timestamp) -> bool {
    let root = plan
        .root
        .as_ref()
        .unwrap()
        .config
        .spec
        .root
        .as_ref()
        .unwrap();
    let mut chosen: std::collections::BTreeMap<[u8; 32], (u64, Vec<u8>)> = Default::default();
    for text in &root.certificates {
        let bytes = STANDARD.decode(text).unwrap();
        let says = Certificate::decode_unverified(&bytes).unwrap();
        let best = chosen.entry(*says.key.as_bytes()).or_default();
        if says.not_after > best.0 {
            *best = (says.not_after, bytes);
        }
    }
    let chain: Vec<Vec<u8>> = chosen.into_values().map(|(_, bytes)| bytes).collect();
    let key = |seed: u8| RootKey {
        public: PublicKey::from_spki_base64(&public_key(seed)).unwrap(),
        not_before: 0,
        not_after: u64::MAX,
        verify_only: false,
        revoked_at: None,
    };
    let roots = [key(1)];
    let trust = Trust {
        network: NETWORK,
        org: "bank-a",
        roots: &roots,
        revoked_serials: &[],
    };
    verify_chain(&trust, &chain, Moment::Session { now: seconds(now) })
        .is_ok_and(|v| v.keys.len() == 2)
}

#[test]
fn a_node_that_asks_gets_certificates_that_a_peer_believes() {
    let mut scene = Scene::bank_a();
    let plan = scene.plan();
    assert_eq!(roles(&plan), [Role::Issuing]);
    assert!(plan.signing.is_empty());
    scene.apply(&plan);
    scene.node_follows();
    let plan = scene.plan();
    let uses: Vec<_> = plan.signing.iter().map(|r| r.uses.clone()).collect();
    assert_eq!(uses.len(), 2);
    assert!(uses.contains(&vec![Use::Net]) && uses.contains(&vec![Use::Rec]));
    let plan = scene.settle();
    assert_eq!(roles(&plan), [Role::Issuing, Role::Session, Role::Record]);
    assert!(a_peer_believes(&plan, scene.inputs.now));
    assert_eq!(says(&plan, PO, "local", "KeyExpiring"), "False Valid");
}

#[test]
fn what_no_verifier_would_accept_is_never_signed() {
    let mut scene = Scene::bank_a();
    scene.settle();
    let report = scene.inputs.report.as_mut().unwrap();
    let good = requests(40);
    let mut bad = vec![good[0].clone(); 6];
    bad[0].use_ = "issue".to_owned();
    bad[1].peer_ids.clear();
    bad[2].public_key = "nonsense".to_owned();
    bad[3].peer_ids = vec!["nonsense".to_owned()];
    bad[4].use_ = "hold".to_owned();
    bad[5].use_ = "rec".to_owned();
    for (n, request) in bad.iter_mut().enumerate() {
        if n != 2 {
            request.public_key = public_key(60 + n as u8);
        }
    }
    report.certificate_requests = bad;
    assert_eq!(scene.plan().signing, Vec::new());
    // One key for two roles is refused too.
    let mut both = good.clone();
    both[1].public_key = both[0].public_key.clone();
    scene.inputs.report.as_mut().unwrap().certificate_requests = both;
    assert_eq!(scene.plan().signing, Vec::new());
}

#[test]
fn a_session_key_may_also_hold_credentials() {
    let mut scene = Scene::bank_a();
    scene.settle();
    let mut asked = requests(11);
    let mut hold = asked[0].clone();
    hold.use_ = "hold".to_owned();
    asked.push(hold);
    scene.inputs.report.as_mut().unwrap().certificate_requests = asked;
    let signing = scene.plan().signing;
    assert_eq!(signing.len(), 1);
    assert_eq!(signing[0].uses, [Use::Net, Use::Hold]);
}

#[test]
fn certificates_are_renewed_at_two_thirds_of_their_life_and_not_before() {
    let mut scene = Scene::bank_a();
    let plan = scene.settle();
    assert_eq!(
        plan.next_boundary,
        Some(scene.inputs.now.checked_add(DAY * 20).unwrap())
    );
    scene.wait(DAY * 20 - SignedDuration::from_secs(1));
    assert!(scene.plan().is_idle());
    scene.wait(SignedDuration::from_secs(1));
    let due = scene.plan();
    assert_eq!(due.signing.len(), 1);
    // The alarm is for a renewal that does not happen.
    assert_eq!(says(&due, PO, "local", "KeyExpiring"), "False Valid");
    let plan = scene.settle();
    assert_eq!(roles(&plan), [Role::Issuing, Role::Session, Role::Record]);
    assert!(a_peer_believes(&plan, scene.inputs.now));
}

#[test]
fn a_renewal_that_does_not_happen_is_alarming() {
    let mut scene = Scene::bank_a();
    scene.settle();
    scene.inputs.signer = crate::node::SignerState::Missing;
    scene.wait(DAY * 20 + SignedDuration::from_hours(2));
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "local", "KeyExpiring"), "True Expiring");
    let (_, _, message) = condition(&plan, PO, "local", "KeyExpiring");
    assert!(
        message.contains("session certificate") && message.contains("certify"),
        "{message}"
    );
    // What is still valid stays with the node.
    assert!(a_peer_believes(&plan, scene.inputs.now));
}

#[test]
fn nothing_outlives_the_issuing_key_and_the_end_is_not_chased_by_ever_shorter_certificates() {
    let mut scene = Scene::bank_a();
    let now = scene.inputs.now;
    let signer = issuing(1, now, 40);
    scene.inputs.signer = signer.state();
    scene.signer = std::sync::Arc::new(signer);
    scene.settle();
    let mut signed = 0;
    for _ in 0..39 * 4 {
        scene.wait(SignedDuration::from_hours(6));
        signed += scene.plan().signing.len();
        let plan = scene.settle();
        assert!(a_peer_believes(&plan, scene.inputs.now));
        let end = seconds(now.checked_add(DAY * 40).unwrap());
        assert!(certificates(&plan).iter().all(|c| c.not_after <= end));
    }
    assert_eq!(signed, 1, "the session certificate once, at day 20");
    assert_eq!(
        says(&scene.plan(), PO, "local", "KeyExpiring"),
        "True Expiring"
    );
}

#[test]
fn another_issuing_key_certifies_everything_at_once_and_peers_believe_throughout() {
    let mut scene = Scene::bank_a();
    scene.settle();
    scene.wait(DAY * 5);
    let (root, key) = (
        SigningKey::from_seed(&[1; 32]),
        SigningKey::from_seed(&[77; 32]),
    );
    let now = scene.inputs.now;
    let terms = crate::keys::signer::Terms {
        serial: 8,
        incarnation: 1,
        not_before: now,
        not_after: now.checked_add(DAY * 300).unwrap(),
    };
    let certificate =
        crate::keys::signer::certify("bank-a", NETWORK, &root, key.public(), &terms).unwrap();
    let data = [
        (
            "key.pem".to_owned(),
            zeroize::Zeroizing::new(key.to_pkcs8_pem().unwrap().as_bytes().to_vec()),
        ),
        (
            "certificate".to_owned(),
            zeroize::Zeroizing::new(STANDARD.encode(certificate).into_bytes()),
        ),
    ];
    let signer = crate::keys::signer::Signer::from_secret("bank-a", NETWORK, &data.into()).unwrap();
    scene.inputs.signer = signer.state();
    scene.signer = std::sync::Arc::new(signer);
    let between = scene.plan();
    assert_eq!(between.signing.len(), 2);
    // The former issuing certificate stays as long as it is needed.
    assert_eq!(
        roles(&between),
        [Role::Issuing, Role::Issuing, Role::Session, Role::Record]
    );
    let plan = scene.settle();
    assert_eq!(
        roles(&plan).iter().filter(|r| **r == Role::Session).count(),
        1
    );
    assert!(a_peer_believes(&plan, scene.inputs.now));
}

#[test]
fn a_higher_incarnation_leaves_no_certificate_of_the_lower_one() {
    let mut scene = Scene::bank_a();
    scene.settle();
    scene.edit_organization("local", |o| {
        o.spec.node.as_mut().unwrap().incarnation = Some(2)
    });
    let plan = scene.plan();
    assert_eq!(roles(&plan), [Role::Issuing]);
    assert_eq!(plan.signing.len(), 2);
    assert!(plan.signing.iter().all(|request| request.incarnation == 2));
    let plan = scene.settle();
    let node = certificates(&plan)
        .into_iter()
        .filter(|c| c.role() != Ok(Role::Issuing));
    assert!(node.map(|c| c.incarnation).eq([2, 2]));
}

#[test]
fn revoked_and_foreign_certificates_never_reach_the_node() {
    let mut scene = Scene::bank_a();
    let plan = scene.settle();
    let session = certificates(&plan)
        .into_iter()
        .find(|c| c.role() == Ok(Role::Session))
        .unwrap();
    let serial = i64::try_from(session.serial).unwrap();
    scene.edit_organization("local", |o| o.spec.revoked_serials = vec![serial]);
    let plan = scene.plan();
    assert!(
        !certificates(&plan)
            .iter()
            .any(|c| c.serial == session.serial)
    );
    assert_eq!(plan.signing.len(), 1, "and another is due");
    let mut scene = Scene::bank_a();
    scene.inputs.signed = vec!["nonsense".to_owned(), STANDARD.encode([0; 600])];
    assert_eq!(roles(&scene.plan()), [Role::Issuing]);
}

#[test]
fn past_record_certificates_stay_with_what_certified_them_and_are_not_renewed() {
    let mut scene = Scene::bank_a();
    let record_of = |plan: &Plan| {
        let all = certificates(plan);
        let records = all.into_iter().filter(|c| c.role() == Ok(Role::Record));
        records.collect::<Vec<_>>()
    };
    let mut keys = Vec::new();
    // A year with each issuing key, of which the node's certificates do not outlive any.
    for year in 0..5 {
        let signer = issuing(1, scene.inputs.now, 366);
        scene.inputs.signer = signer.state();
        scene.signer = std::sync::Arc::new(signer);
        let plan = scene.settle();
        keys.push(record_of(&plan));
        assert!(a_peer_believes(&plan, scene.inputs.now), "year {year}");
        scene.wait(DAY * 340);
    }
    let plan = scene.settle();
    let now = seconds(scene.inputs.now);
    let records = record_of(&plan);
    assert!(records.iter().any(|c| c.not_after < now - 3 * 365 * 86_400));
    for certificate in keys.iter().flatten() {
        assert!(records.contains(certificate), "none was lost");
    }
    let issuing: Vec<_> = certificates(&plan)
        .into_iter()
        .filter(|c| c.role() == Ok(Role::Issuing))
        .collect();
    assert_eq!(issuing.len(), 5);
    // A node that asks for another key and then for nothing gets no new one for the past.
    scene.inputs.report.as_mut().unwrap().certificate_requests = requests(150);
    let with_another = record_of(&scene.settle()).len();
    scene.inputs.report.as_mut().unwrap().certificate_requests = Vec::new();
    assert_eq!(record_of(&scene.settle()).len(), with_another);
}

#[test]
fn a_node_that_keeps_renewing_never_gets_more_certificates_than_a_root_has_room_for() {
    let mut scene = Scene::bank_a();
    scene.settle();
    for seed in 0..48 {
        scene.wait(SignedDuration::from_hours(1));
        scene.inputs.report.as_mut().unwrap().certificate_requests = requests(100 + seed * 3);
        let plan = scene.plan();
        scene.apply(&plan);
        let plan = scene.plan();
        scene.apply(&plan);
        assert!(certificates(&plan).len() <= 61);
    }
    // The youngest are among them.
    let newest = PublicKey::from_spki_base64(&requests(100 + 47 * 3)[1].public_key).unwrap();
    assert!(
        certificates(&scene.plan())
            .iter()
            .any(|c| c.key.as_bytes() == newest.as_bytes())
    );
}

#[test]
fn a_peers_root_key_that_ends_soon_is_told_with_what_to_do() {
    let mut scene = Scene::bank_a();
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "bank-b", "KeyExpiring"), "False Valid");
    let shown = plan
        .organizations
        .iter()
        .find(|o| o.name == "bank-b")
        .unwrap();
    assert_eq!(
        shown.status.keys_expire.as_ref().unwrap().0.to_string(),
        "2028-01-01T00:00:00Z"
    );
    for (now, says_now, accepted) in [
        ("2027-12-01T23:59:59Z", "False Valid", "True Accepted"),
        ("2027-12-02T00:00:00Z", "True Expiring", "True Accepted"),
        ("2028-01-01T00:00:00Z", "True Expired", "True Expired"),
    ] {
        scene.inputs.now = now.parse().unwrap();
        let plan = scene.plan();
        assert_eq!(says(&plan, PO, "bank-b", "KeyExpiring"), says_now);
        assert_eq!(says(&plan, PO, "bank-b", "Accepted"), accepted);
    }
    // A retired key does not count, and its successor does.
    scene.inputs.now = "2027-12-20T00:00:00Z".parse().unwrap();
    scene.edit_organization("bank-b", |o| {
        let mut next =
            serde_json::from_value::<Vec<finp2p_crds::peer_organization::RootKey>>(keys(5))
                .unwrap();
        next[0].id = "2028-a".to_owned();
        next[0].not_after = serde_json::from_str("\"2030-01-01T00:00:00Z\"").unwrap();
        o.spec.keys[0].verify_only = Some(true);
        o.spec.keys.extend(next);
    });
    assert_eq!(
        says(&scene.plan(), PO, "bank-b", "KeyExpiring"),
        "False Valid"
    );
}

#[test]
fn four_hundred_days_with_the_root_absent_for_all_but_two_refuse_no_node() {
    let mut scene = Scene::bank_a();
    let year = |scene: &mut Scene| {
        let signer = issuing(1, scene.inputs.now, 365);
        scene.inputs.signer = signer.state();
        scene.signer = std::sync::Arc::new(signer);
    };
    year(&mut scene);
    let mut sessions = std::collections::BTreeSet::new();
    for day in 0..=400 {
        if day == 364 {
            // The root comes out of its safe for the second and last time.
            year(&mut scene);
        }
        let plan = scene.settle();
        assert!(a_peer_believes(&plan, scene.inputs.now), "day {day}");
        let session = certificates(&plan)
            .into_iter()
            .find(|c| c.role() == Ok(Role::Session));
        sessions.insert(session.unwrap().serial);
        // The longest that an operator may be away at the end of a certificate's second third.
        scene.wait(DAY);
    }
    assert!(
        sessions.len() >= 19,
        "renewed without people: {}",
        sessions.len()
    );
    // The same year without the second visit ends: the test can fail.
    let mut forgotten = Scene::bank_a();
    year(&mut forgotten);
    forgotten.settle();
    forgotten.wait(DAY * 366);
    let plan = forgotten.settle();
    assert!(!a_peer_believes(&plan, forgotten.inputs.now));
}
