//! Attacks 21 to 24: many identifiers, hostile identifiers, mixed batches and purposes.

use finp2p_sidecar::request::probe::MISSES_ALARM;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::limits::ITEMS_MAX;
use finp2p_wire::message::{FetchAnswer, Request};

use crate::attacker::{Attacker, Got, Talk, fetch_body, item, purpose, refused, sealed};
use crate::bank::{Bank, NETWORK};
use crate::kept::kept;
use crate::primary::{BOND, SECRET};
use crate::raw::{Outcome, RawPeer, Scrawl};
use crate::victim::{Declares, RESEARCH, Victim};

/// Most bytes of the audit log that one guessed identifier may cost: its entry, of half a
/// kilobyte, and its share of the request's envelope.
const BYTES_PER_GUESS: u64 = 1024;

fn guesses(talk: &Talk<'_>, ctr: u64) -> Request {
    let guess = |n| item(&format!("bank-a:102:GUESS-{ctr}-{n}"));
    talk.request(ctr, fetch_body((0..ITEMS_MAX).map(guess).collect()))
}

#[tokio::test]
async fn attack_21_trying_identifiers_is_paid_noticed_and_bounded() {
    let (victim, b) = Victim::start().await;
    victim.apply(&Declares {
        requests_per_second: 100,
        ..Declares::default()
    });
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    let bytes = victim.audit_bytes();
    let signatures = || victim.responder().tally(victim.time()).signatures;

    // Sixty-four hundred at once: a second's worth of tokens, of which a guess takes one.
    let before = signatures();
    let (mut answered, mut limited) = (0, 0);
    for ctr in 1..=100 {
        match talk.send(&victim, &guesses(&talk, ctr)).await {
            Got::Signed(_) => answered += 1,
            got => {
                let Got::Hint(hint) = &got else {
                    panic!("{got:?}")
                };
                assert!(hint.code.number() == 9003 && hint.retry_s.is_some());
                limited += 1;
            }
        }
    }
    assert_eq!((answered, limited), (2, 98));
    assert_eq!(
        signatures() - before,
        2,
        "what is limited costs no signature"
    );
    // The budget is the organization's: another one notices nothing.
    victim.still_serves().await;
    let kept_of = kept(&victim.audited());
    let of_b = |(name, _): &&(String, u64)| name == "bank-b";
    let misses: Vec<_> = kept_of.decided.iter().filter(of_b).collect();
    assert_eq!(misses.len(), 2 * ITEMS_MAX);
    assert_eq!(kept_of.counted[&(Some("bank-b".to_owned()), 9003)], 98);
    assert!(victim.responder().tally(victim.time()).probing.is_empty());

    // And slowly, as the budget allows: some three thousand more.
    for ctr in 101..=150 {
        victim.set_clock((i64::try_from(ctr).unwrap() - 100) * 2);
        let (answers, _) = talk.fetch(&victim, &guesses(&talk, ctr)).await;
        assert!(answers.iter().all(|answer| refused(answer) == (7104, None)));
    }
    let tally = victim.responder().tally(victim.time());
    assert_eq!(tally.probing, ["bank-b"], "over {MISSES_ALARM} in a minute");
    let entries = victim.audited();
    let guessed = 50 * ITEMS_MAX;
    assert_eq!(entries.len(), guessed);
    assert!(entries.iter().all(|entry| entry["code"] == 7104));
    let envelopes = entries.iter().filter(|entry| entry.get("env").is_some());
    assert_eq!(envelopes.count(), 50, "one for each request");
    let guessed = guessed as u64 + 2 * ITEMS_MAX as u64;
    assert!(victim.audit_bytes() - bytes < guessed * BYTES_PER_GUESS);
    assert_eq!(victim.reads(), 1, "the honest reader's");
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_22_other_organizations_resources_and_hostile_identifiers_are_told_as_such() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    let longest = format!("bank-a:102:{}", "x".repeat(245));
    let cases = [
        ("bank-b:102:XS2712345672", 9007),
        ("bank-c:102:XS2712345672", 9007),
        ("bank:a:102:XS2712345672", 1002),
        ("bank-a:102:XS:2712345672", 1002),
        ("b\u{430}nk-a:102:XS2712345672", 1002),
        ("bank\u{2010}a:102:XS2712345672", 1002),
        ("BANK-A:102:XS2712345672", 1002),
        ("bank-a\u{0}:102:XS2712345672", 1002),
        ("bank-a:0102:XS2712345672", 1002),
        ("bank-a:102:", 1002),
        ("bank-a:102:../identity", 1002),
        ("bank-a", 1002),
        (longest.as_str(), 1002),
    ];
    for (ctr, (text, code)) in (1..).zip(cases) {
        let (answers, signed) = talk.fetch(&victim, &talk.fetching(ctr, text)).await;
        assert_eq!(refused(&answers[0]), (code, None), "{text:?}");
        assert!(signed.attachments.is_empty());
        let entries = victim.audited();
        assert_eq!((entries.len(), &entries[0]["code"]), (1, &code.into()));
    }
    assert_eq!(victim.reads(), 0);
    victim.still_serves().await;
}

/// The request's payload with the text `old` in it replaced by one of `bytes` bytes.
fn with_text_of(request: &Request, old: &str, bytes: usize) -> Vec<u8> {
    let payload = request.encode();
    let start = payload
        .windows(old.len())
        .position(|window| window == old.as_bytes())
        .unwrap();
    // The text's head is one byte up to 23 bytes, and all that are replaced here are shorter.
    assert!(old.len() < 24);
    let mut head = match bytes {
        0..=23 => vec![0x60 | u8::try_from(bytes).unwrap()],
        24..=255 => vec![0x78, u8::try_from(bytes).unwrap()],
        256..=65_535 => [&[0x79], &u16::try_from(bytes).unwrap().to_be_bytes()[..]].concat(),
        _ => [&[0x7a], &u32::try_from(bytes).unwrap().to_be_bytes()[..]].concat(),
    };
    head.extend(vec![b'x'; bytes]);
    [&payload[..start - 1], &head, &payload[start + old.len()..]].concat()
}

/// A frame of any size, with its length in front.
fn scrawl(envelope: &[u8]) -> Scrawl {
    let length = u32::try_from(envelope.len()).unwrap().to_be_bytes();
    let head = [&[0x82, 0x5a], &length[..]].concat();
    Scrawl::frame(&[&head, envelope, &[0x80]].concat())
}

/// What a text of a megabyte in a request brings, with and without a session.
async fn megabyte(victim: &Victim, b: &Bank, request: impl Fn(&Talk<'_>) -> (Request, String)) {
    let attacker = Attacker::new(Bank::clone_of(b)).await;
    let talk = attacker.greet(victim).await;
    let (request, old) = request(&talk);
    let payload = with_text_of(&request, &old, 1 << 20);
    let envelope = envelope::seal(Kind::Req, NETWORK, &b.session, &payload);
    victim.audited();
    let before = victim.node().counters.read().requests_too_large;
    let address = &victim.node().addresses[0];
    let mut raw = RawPeer::connect(b.peer.clone(), address).await.unwrap();
    assert_eq!(raw.send(scrawl(&envelope)).await, Outcome::StreamClosed);
    let after = victim.node().counters.read().requests_too_large;
    assert_eq!(
        after,
        before + 1,
        "refused by its length, before it is read"
    );
    assert!(victim.audited().is_empty());
}

#[tokio::test]
async fn attack_22_an_id_of_a_megabyte_is_not_read() {
    let (victim, b) = Victim::start().await;
    let id = "bank-a:102:X";
    megabyte(&victim, &b, |talk| (talk.fetching(1, id), id.to_owned())).await;
    // And those that fit into a frame: too long for an id, and as long as a frame.
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    for bytes in [0, 257, 65_000] {
        let payload = with_text_of(&talk.fetching(1, id), id, bytes);
        let frame = sealed(Kind::Req, &b.bank.session, &payload);
        assert_eq!(b.send(&victim, &frame).await.hint(), 1002);
    }
    let kept = kept(&victim.audited());
    assert_eq!(kept.decided, []);
    assert_eq!(kept.counted.values().sum::<u64>(), 3);
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_23_a_forbidden_item_fails_alone_and_every_item_is_written() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    let mut items = vec![item(BOND); ITEMS_MAX];
    items[40] = item(SECRET);
    let request = talk.request(1, fetch_body(items));
    let (answers, signed) = talk.fetch(&victim, &request).await;
    assert_eq!((answers.len(), signed.attachments.len()), (64, 63));
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            FetchAnswer::Record { record, .. } => {
                let expected = if index < 40 { index } else { index - 1 };
                assert_eq!(record.a, expected as u64);
            }
            other => assert_eq!((index, refused(other)), (40, (7104, None))),
        }
    }
    let sent = envelope::seal(Kind::Req, NETWORK, &b.bank.session, &request.encode());
    let digest = hex::encode(envelope::digest(&sent).0);
    let entries = victim.audited();
    assert_eq!(entries.len(), ITEMS_MAX);
    for (index, entry) in entries.iter().enumerate() {
        let refused = index == 40;
        assert_eq!(entry["code"], if refused { 7104 } else { 0 });
        assert_eq!(entry["r"], if refused { SECRET } else { BOND });
        assert_eq!(entry.get("h").is_none(), refused);
        assert_eq!(entry["req"].as_str(), Some(digest.as_str()));
        assert_eq!(entry.get("env").is_some(), index == 0);
    }
    assert_eq!(victim.reads(), ITEMS_MAX - 1);

    // One item more than there may be is no request at all.
    let one_more = talk
        .request(2, fetch_body(vec![item(BOND); ITEMS_MAX]))
        .encode();
    let list = [0x98, 64];
    let at = one_more
        .windows(2)
        .position(|window| window == list)
        .unwrap();
    let first = &[&[0xa1, 0x01, 0x60 | BOND.len() as u8][..], BOND.as_bytes()].concat();
    let more = [&one_more[..at], &[0x98, 65], first, &one_more[at + 2..]].concat();
    let frame = sealed(Kind::Req, &b.bank.session, &more);
    assert_eq!(b.send(&victim, &frame).await.hint(), 1002);
    assert_eq!(kept(&victim.audited()).decided, []);
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_24_a_purpose_outside_the_grant_is_refused_and_a_hostile_one_is_no_request() {
    let (victim, b) = Victim::start().await;
    let attacker = Attacker::new(Bank::clone_of(&b)).await;
    let talk = attacker.greet(&victim).await;
    victim.audited();
    let asking = |ctr, text| Request {
        purpose: Option::and_then(text, purpose),
        ..talk.fetching(ctr, RESEARCH)
    };
    let long = "x".repeat(63);
    let outside = [
        None,
        Some("trading"),
        Some("Settlement"),
        Some("settlement "),
        Some(&*long),
    ];
    for (ctr, text) in (1..).zip(outside) {
        let (answers, signed) = talk.fetch(&victim, &asking(ctr, text)).await;
        assert_eq!(refused(&answers[0]), (3400, Some("purpose")), "{text:?}");
        assert!(signed.attachments.is_empty());
        let entries = victim.audited();
        assert_eq!((entries.len(), &entries[0]["code"]), (1, &3400.into()));
    }
    assert_eq!(victim.reads(), 0, "the purpose comes before the store");
    for bytes in [0, 64, 60_000] {
        let payload = with_text_of(&asking(10, Some("settlement")), "settlement", bytes);
        let frame = sealed(Kind::Req, &attacker.bank.session, &payload);
        assert_eq!(attacker.send(&victim, &frame).await.hint(), 1002);
    }
    assert_eq!(kept(&victim.audited()).decided, []);
    // The control.
    let (answers, _) = talk.fetch(&victim, &asking(10, Some("settlement"))).await;
    assert!(matches!(answers[..], [FetchAnswer::Record { .. }]));
    drop(attacker);

    let text = "settlement".to_owned();
    megabyte(&victim, &b, |talk| {
        let request = Request {
            purpose: purpose(&text),
            ..talk.fetching(1, RESEARCH)
        };
        (request, text.clone())
    })
    .await;
    victim.still_serves().await;
}
