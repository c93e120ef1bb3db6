//! Attacks 16 and 19: the wrong time, and the moment at which a policy ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use finp2p_sidecar::session::SESSION_LIFE_S;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::{self, Expect, Frame};
use finp2p_wire::message::{Answer, FetchAnswer, Hello, Op, Request, Response};
use serde_json::json;

use crate::attacker::{Attacker, Got, Talk, all, refused, sealed};
use crate::bank::Bank;
use crate::kept::kept;
use crate::node::{NOW, until};
use crate::primary::BOND;
use crate::victim::{Declares, PAST, RESEARCH, Victim};

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

/// A request whose sender's clock is off by as much.
fn at(offset: i64, request: Request) -> Request {
    Request {
        time: u64::try_from(NOW + offset).unwrap(),
        ..request
    }
}

async fn greet_at(victim: &Victim, attacker: &Attacker, offset: i64) -> Got {
    let hello = Hello {
        time: u64::try_from(NOW + offset).unwrap(),
        ..attacker.hello()
    };
    let frame = sealed(Kind::Hello, &attacker.bank.session, &hello.encode());
    attacker.send(victim, &frame).await
}

#[tokio::test]
async fn attack_16_when_clocks_differ_both_times_are_told_and_nothing_is_decided() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    let told = |got: Got, now: i64| {
        let Got::Hint(hint) = got else {
            panic!("{got:?}")
        };
        assert_eq!(hint.code.number(), 9005);
        assert_eq!(hint.now, Some(u64::try_from(NOW + now).unwrap()));
    };
    // The sender's clock is off, or the node's; the hello fares as the request does.
    for theirs in [121, -121, HOUR, -HOUR, -YEAR] {
        let request = at(theirs, talk.fetching(1, BOND));
        told(talk.send(&victim, &request).await, 0);
        told(greet_at(&victim, &b, theirs).await, 0);
    }
    for ours in [121, -HOUR, -YEAR] {
        victim.set_clock(ours);
        told(talk.send(&victim, &talk.fetching(1, BOND)).await, ours);
        told(greet_at(&victim, &b, 0).await, ours);
    }
    let kept = kept(&victim.audited());
    assert_eq!(kept.decided, []);
    assert_eq!(kept.counted[&(Some("bank-b".to_owned()), 9005)], 16);
    // Two minutes are close enough, and the number was used up by none of them.
    victim.set_clock(0);
    let request = at(120, talk.fetching(1, BOND));
    talk.send(&victim, &request).await.signed();
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_16_nothing_that_expired_revives_whatever_the_clock_does() {
    let (victim, b) = Victim::start().await;
    let mut declares = Declares::default();
    let end = victim.time() + jiff::SignedDuration::from_secs(50);
    let research = declares.policies[2].as_object_mut().unwrap();
    research.remove("purposes");
    research.insert("notAfter".to_owned(), json!(end.to_string()));
    victim.apply(&declares);
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    // The attacker knows what the node's clock says, and says the same.
    let ask = async |talk: &Talk<'_>, offset: i64, ctr, resource| {
        victim.set_clock(offset);
        let request = at(offset, talk.fetching(ctr, resource));
        talk.fetch(&victim, &request).await.0.remove(0)
    };
    let given = |answer: &FetchAnswer| matches!(answer, FetchAnswer::Record { .. });
    assert!(given(&ask(&talk, 49, 1, RESEARCH).await));
    assert_eq!(refused(&ask(&talk, 50, 2, RESEARCH).await).0, 7104);
    // Back before its end, an hour back, and a year, when the other policy was in force, too.
    for (ctr, offset) in [(10, 0), (20, -HOUR), (30, -YEAR)] {
        assert_eq!(refused(&ask(&talk, offset, ctr, RESEARCH).await).0, 7104);
        assert_eq!(refused(&ask(&talk, offset, ctr + 1, PAST).await).0, 7104);
        assert!(given(&ask(&talk, offset, ctr + 2, BOND).await));
    }
    // An hour on, the session is over, and stays over when the clock goes back.
    let hour = i64::try_from(SESSION_LIFE_S).unwrap() + 49;
    for offset in [hour, 0] {
        victim.set_clock(offset);
        let request = at(offset, talk.fetching(40, BOND));
        assert_eq!(talk.send(&victim, &request).await.hint(), 9002);
    }
    // After the certificate's last day no hello passes, on that day and on every day before.
    let over = 29 * 24 * HOUR + 121;
    for offset in [over, over - HOUR, 0, -YEAR] {
        victim.set_clock(offset);
        assert_eq!(greet_at(&victim, &b, offset).await.hint(), 3000, "{offset}");
    }
}

#[tokio::test]
async fn attack_16_a_clock_that_jumps_while_requests_are_decided_revives_nothing() {
    let (victim, b) = Victim::start().await;
    let victim = Arc::new(victim);
    let b = Arc::new(Attacker::new(b).await);
    let talk = b.greet(&victim).await;
    let clocks = [0, -YEAR, -HOUR, -YEAR];
    victim.set_clocks(&clocks);
    // Every clock with every resource at every reading, all at the same time.
    let asked = (0..200_usize).map(|n| {
        let offset = clocks[(n + n / 8) % clocks.len()];
        let resource = if n % 8 < 4 { PAST } else { BOND };
        let ctr = u64::try_from(n + 1).unwrap();
        let frame = talk.frame(&at(offset, talk.fetching(ctr, resource)));
        let (victim, b) = (Arc::clone(&victim), Arc::clone(&b));
        async move { b.send(&victim, &frame).await }
    });
    for got in all(asked).await {
        match got {
            Got::Signed(_) => {}
            got => assert_eq!(got.hint(), 9005),
        }
    }
    let entries = victim.audited();
    let decided = |resource: &str, offset: i64| {
        let time = jiff::Timestamp::from_second(NOW + offset).unwrap();
        let of_it = entries.iter().filter(|entry| entry["r"] == resource);
        let codes = of_it.filter(|entry| entry["t"] == time.to_string());
        codes.map(|entry| entry["code"].clone()).collect::<Vec<_>>()
    };
    for offset in [0, -HOUR, -YEAR] {
        let past = decided(PAST, offset);
        assert!(!past.is_empty() && past.iter().all(|code| code == 7104));
        assert!(decided(BOND, offset).iter().all(|code| code == 0));
    }
    victim.set_clock(0);
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_16_three_peers_whose_clocks_agree_against_ours_make_it_suspect() {
    let (victim, _) = Victim::start().await;
    let suspect = || victim.responder().tally(victim.time()).clock_suspect;
    let mut attackers = Vec::new();
    for bank in &victim.pinned {
        assert!(!suspect(), "two could be liars");
        let attacker = Attacker::new(Bank::clone_of(bank)).await;
        assert_eq!(greet_at(&victim, &attacker, HOUR).await.hint(), 9005);
        attackers.push(attacker);
    }
    assert!(suspect());
    for attacker in &attackers {
        assert!(matches!(
            greet_at(&victim, attacker, 0).await,
            Got::Signed(_)
        ));
    }
    assert!(!suspect());
    let kept = kept(&victim.audited());
    assert_eq!(kept.counted.values().sum::<u64>(), 3);
    victim.still_serves().await;
}

/// How many pulls are asked for: more than the two banks' connections carry at a time.
const PULLS: u64 = 400;

/// After how many reads the workers are held while the policy is removed.
const READS_BEFORE: usize = 60;

#[tokio::test]
async fn attack_19_no_answer_is_signed_by_a_policy_that_was_removed() {
    let (victim, b) = Victim::start().await;
    let victim = Arc::new(victim);
    let mut attackers = vec![Arc::new(Attacker::new(b).await)];
    attackers.push(Arc::new(
        Attacker::new(Bank::clone_of(&victim.pinned[1])).await,
    ));
    let mut asked = Vec::new();
    for b in &attackers {
        let talk = b.greet(&victim).await;
        for ctr in 1..=PULLS / 2 {
            let frame = talk.frame(&talk.fetching(ctr, BOND));
            let (victim, b) = (Arc::clone(&victim), Arc::clone(b));
            asked.push(async move {
                let got = b.send(&victim, &frame).await;
                (frame, got)
            });
        }
    }
    victim.audited();
    // Every worker stops with a decision for "yes" in its hands, and the rest waits behind them.
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let reads = Arc::new(AtomicUsize::new(0));
    let (held, count) = (Arc::clone(&gate), Arc::clone(&reads));
    victim.before_reads(move || {
        if count.fetch_add(1, Ordering::SeqCst) >= READS_BEFORE {
            let (open, opened) = &*held;
            let open = open.lock().unwrap();
            drop(opened.wait_while(open, |open| !*open).unwrap());
        }
    });
    let pulls = tokio::spawn(all(asked));
    let is_held = || reads.load(Ordering::SeqCst) > READS_BEFORE;
    until("a decision that is held", is_held).await;

    victim.apply(&Declares {
        policies: Vec::new(),
        ..Declares::default()
    });
    let applied = victim.audit_position();
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();

    let answers = pulls.await.unwrap();
    assert_eq!(answers.len() as u64, PULLS);
    let entries = victim.audited();
    let mut given = 0;
    for (frame, got) in answers {
        let digest = digest(&frame);
        let signed = got.signed();
        let opened = envelope::open(&signed.envelope).unwrap();
        let response = Response::decode(Op::Fetch, opened.unverified_payload()).unwrap();
        let Answer::Fetch(answers) = response.answer else {
            panic!("{:?}", response.answer)
        };
        let mut of_it = entries
            .iter()
            .filter(|entry| entry["req"] == digest.as_str());
        let entry = of_it.next().unwrap();
        assert!(
            of_it.next().is_none(),
            "one decision left, and one is written"
        );
        match &answers[0] {
            FetchAnswer::Record { .. } => {
                given += 1;
                assert_eq!(entry["code"], 0);
                assert!(
                    entry["i"].as_u64().unwrap() <= applied,
                    "given after the end"
                );
            }
            other => {
                assert_eq!(refused(other), (7104, None));
                assert!(signed.attachments.is_empty());
                assert_eq!(entry["code"], 7104);
            }
        }
    }
    assert!(given > 0 && given <= READS_BEFORE, "{given}");
    let after = entries
        .iter()
        .filter(|entry| entry["i"].as_u64() > Some(applied));
    assert!(after.clone().all(|entry| entry["code"] == 7104));
    assert!(after.count() > 0);
    victim.apply(&Declares::default());
    victim.still_serves().await;
}

fn digest(frame: &[u8]) -> String {
    let Frame::Signed { envelope, .. } = frame::decode(Expect::Request, frame).unwrap() else {
        panic!("not signed")
    };
    hex::encode(envelope::digest(envelope).0)
}
