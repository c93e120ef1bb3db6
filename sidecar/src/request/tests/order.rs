//! The order of the checks: what fails two is refused by the earlier.

use std::sync::atomic::Ordering;

use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::Hint;
use finp2p_wire::message::{Organization, Request, SessionId};
use jiff::Timestamp;

use super::world::*;
use crate::network::Remote;
use crate::request::refusal::Check;

/// A request of bank-b that would be answered, until something is wrong with it.
struct Case {
    world: World,
    request: Request,
    now: Timestamp,
    remote: Remote,
    spoil: Vec<fn(&mut Vec<u8>)>,
    padded: bool,
}

impl Case {
    fn new() -> Self {
        let world = World::new();
        let talk = world.connect(&world.b);
        let mut request = talk.request(1, fetch_body(vec![asset("bond")]));
        // The last unit of the last row that a request as a whole can fail.
        request.purpose = None;
        let remote = world.b.remote();
        world.counted();
        Self {
            world,
            request,
            now: now(),
            remote,
            spoil: Vec::new(),
            padded: false,
        }
    }

    fn send(&self) -> (Got, Vec<u8>) {
        let mut envelope = envelope::seal(
            Kind::Req,
            NETWORK,
            &self.world.b.session,
            &self.request.encode(),
        );
        self.spoil.iter().for_each(|spoil| spoil(&mut envelope));
        let mut frame = framed(&envelope);
        if self.padded {
            frame.resize(64 * 1024 + 1, 0);
        }
        let answer = self.world.responder.answer(self.now, &self.remote, &frame);
        (self.world.read(answer), frame)
    }
}

type Fault = (Check, fn(&mut Case));

fn too_large(case: &mut Case) {
    case.padded = true;
}

fn another_algorithm(case: &mut Case) {
    // −8 in place of −19, in the protected header.
    case.spoil.push(|envelope| envelope[5] = 0x27);
}

fn another_session(case: &mut Case) {
    case.request.sid = SessionId([9; 16]);
}

fn suspended(case: &mut Case) {
    case.world
        .edit(|resources| resources.peer("bank-b").suspended = true);
}

fn no_token(case: &mut Case) {
    case.world
        .responder
        .rates
        .charge(case.now, "bank-b", 1000, 1000);
}

fn used_number(case: &mut Case) {
    let sessions = &case.world.responder.sessions;
    // Found by whatever identifier the case had at first.
    for session in sessions.all() {
        session.spend(case.request.ctr).unwrap();
    }
}

fn another_time(case: &mut Case) {
    case.request.time = NOW + 121;
}

fn another_audience(case: &mut Case) {
    case.request.aud.org = Organization::new("bank-c").unwrap();
}

fn bad_signature(case: &mut Case) {
    case.spoil
        .push(|envelope| *envelope.last_mut().unwrap() ^= 1);
}

const FAULTS: &[Fault] = &[
    (Check::Size, too_large),
    (Check::Shape, another_algorithm),
    (Check::Session, another_session),
    (Check::Standing, suspended),
    (Check::Rate, no_token),
    (Check::Counter, used_number),
    (Check::Clock, another_time),
    (Check::Audience, another_audience),
    (Check::Signature, bad_signature),
];

/// Organization and code of each refusal that was counted.
pub type Counted = Vec<(Option<String>, u16)>;

/// Code of the hint, codes of the entries, counts.
type Trace = (u16, Vec<u16>, Counted);

/// What a refusal looks like from outside and in the books.
fn expected(check: Check) -> Trace {
    let bank_b = || Some("bank-b".to_owned());
    match check {
        Check::Size => (9001, vec![], vec![(None, 9001)]),
        Check::Shape => (1002, vec![], vec![(None, 1002)]),
        Check::Session => (9002, vec![], vec![(None, 9002)]),
        Check::Standing => (3000, vec![], vec![(bank_b(), 3000)]),
        Check::Rate => (9003, vec![], vec![(bank_b(), 9003)]),
        Check::Counter => (9004, vec![], vec![(bank_b(), 9004)]),
        Check::Clock => (9005, vec![], vec![(bank_b(), 9005)]),
        Check::Audience => (9006, vec![], vec![(bank_b(), 9006)]),
        Check::Signature => (3000, vec![3000], vec![]),
        other => panic!("{other:?} is not a check of this list"),
    }
}

fn observe(case: &Case) -> Trace {
    let (got, _) = case.send();
    let entries = case
        .world
        .trail
        .take()
        .into_iter()
        .map(|entry| entry.code)
        .collect();
    (got.hint(), entries, case.world.counted())
}

#[test]
fn each_check_refuses_with_its_code_and_leaves_its_trace() {
    assert!(matches!(Case::new().send().0, Got::Signed(_)));
    for (check, fault) in FAULTS {
        let mut case = Case::new();
        fault(&mut case);
        assert_eq!(observe(&case), expected(*check), "{check:?}");
    }
}

#[test]
fn of_two_checks_that_fail_the_earlier_answers() {
    for (position, (check, earlier)) in FAULTS.iter().enumerate() {
        for (later_check, later) in &FAULTS[position + 1..] {
            let mut case = Case::new();
            earlier(&mut case);
            later(&mut case);
            assert_eq!(
                observe(&case),
                expected(*check),
                "{check:?} before {later_check:?}"
            );
        }
    }
}

#[test]
fn a_refused_request_does_not_reach_the_store_or_spend_its_number() {
    for (check, fault) in FAULTS {
        if *check == Check::Counter {
            continue;
        }
        let mut case = Case::new();
        fault(&mut case);
        case.send();
        assert_eq!(case.world.records.reads(), 0, "{check:?}");
        for session in case.world.responder.sessions.all() {
            session.check(case.request.ctr).unwrap();
        }
    }
}

#[test]
fn every_refusal_carries_its_reference_and_only_the_hints_it_should() {
    for (check, fault) in &FAULTS[1..] {
        let mut case = Case::new();
        fault(&mut case);
        let (got, frame) = case.send();
        let Got::Hint(hint, _) = got else {
            panic!("{check:?}: {got:?}")
        };
        let expected = Hint {
            code: check.code(),
            retry_s: (*check == Check::Rate).then_some(1),
            now: (*check == Check::Clock).then_some(NOW),
            reference: Some(reference(&frame)),
        };
        assert_eq!(hint, expected, "{check:?}");
    }
}

#[test]
fn an_entry_of_a_bad_signature_names_the_request_and_holds_nothing_that_nobody_signed() {
    let mut case = Case::new();
    bad_signature(&mut case);
    let (_, frame) = case.send();
    let entries = case.world.trail.take();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].organization.as_deref(), Some("bank-b"));
    assert_eq!(entries[0].kid, Some(case.world.b.session.kid().0));
    assert_eq!(entries[0].op, "fetch");
    assert_eq!(entries[0].slug, "authentication");
    assert_eq!(entries[0].detail.as_deref(), Some("signature"));
    assert_eq!(entries[0].configuration, [1; 32]);
    assert_eq!(entries[0].reference, reference(&frame).to_string());
    assert_eq!(entries[0].envelope, None);
}

#[test]
fn a_refusal_that_cannot_be_written_is_told_as_unavailable() {
    let mut case = Case::new();
    bad_signature(&mut case);
    case.world.trail.full.store(true, Ordering::SeqCst);
    assert_eq!(
        observe(&case),
        (2002, vec![], vec![(Some("bank-b".to_owned()), 2002)])
    );
}
