//! Mutated messages against every decoder.
//!
//! Four targets: a mutated frame, a mutated hint, a mutated envelope, and a mutated payload that is
//! signed anew, so that it gets past the signature and reaches the message decoders. `FUZZ_CASES` sets the
//! number of cases per target (`make fuzz` sets it high). Each outcome has a label; the corpus
//! keeps an example of each, replayed at every run; `FUZZ_KEEP=1` adds examples of new labels.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use finp2p_wire::cbor::{Malformed, gate};
use finp2p_wire::certificate::{RootKey, verify_chain};
use finp2p_wire::envelope::{open, seal};
use finp2p_wire::frame::{self, Expect, Frame};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::samples::{self, Bank, NETWORK, Reader, Sample, now, read, trust_in};

/// Enough to reach every decoder in a few seconds without optimization.
const DEFAULT_CASES: u32 = 2_000;

fn cases() -> u32 {
    match std::env::var("FUZZ_CASES") {
        Ok(text) => text.parse().expect("FUZZ_CASES is a number"),
        Err(_) => DEFAULT_CASES,
    }
}

/// One change to bytes; positions are fractions, so that they shrink and fit any length.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Delete(prop::sample::Index, usize),
    Duplicate(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
    /// Replaces an item's initial byte by another of the same kind: length, number, count.
    Nudge(prop::sample::Index, i8),
    /// Adds an extension to the outermost map.
    Extend(u8),
    /// Wraps the rest in so many arrays of one.
    Nest(prop::sample::Index, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    // Beginnings of items, among them every rule's breaker.
    let interesting = prop::sample::select(
        &[
            0x00_u8, 0x17, 0x18, 0x1b, 0x1f, 0x20, 0x40, 0x58, 0x5b, 0x60, 0x7f, 0x80, 0x81, 0x9b,
            0xa0, 0xa1, 0xbb, 0xbf, 0xc0, 0xd2, 0xf4, 0xf6, 0xf7, 0xf9, 0xff,
        ][..],
    );
    prop_oneof![
        (at(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), prop_oneof![interesting, any::<u8>()])
            .prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (at(), prop::collection::vec(any::<u8>(), 1..12))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (at(), 1_usize..20).prop_map(|(at, len)| Mutation::Delete(at, len)),
        (at(), 1_usize..60).prop_map(|(at, len)| Mutation::Duplicate(at, len)),
        at().prop_map(Mutation::Truncate),
        (at(), any::<i8>()).prop_map(|(at, by)| Mutation::Nudge(at, by)),
        any::<u8>().prop_map(Mutation::Extend),
        (at(), 1_usize..40).prop_map(|(at, depth)| Mutation::Nest(at, depth)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match mutation {
        Mutation::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
        Mutation::Set(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Insert(at, new) => drop(bytes.splice(at.index(len)..at.index(len), new.clone())),
        Mutation::Delete(at, count) => {
            drop(bytes.drain(at.index(len)..(at.index(len) + count).min(len)))
        }
        Mutation::Duplicate(at, count) => {
            let at = at.index(len);
            let copy = bytes[at..(at + count).min(len)].to_vec();
            drop(bytes.splice(at..at, copy));
        }
        Mutation::Truncate(at) => bytes.truncate(at.index(len)),
        Mutation::Nudge(at, by) => {
            let at = at.index(len);
            bytes[at] = (bytes[at] & 0xe0) | (bytes[at].wrapping_add_signed(*by) & 0x1f);
        }
        Mutation::Extend(key) => {
            bytes[0] = bytes[0].wrapping_add(1);
            bytes.extend([0x18, *key, 0xf6]);
        }
        Mutation::Nest(at, depth) => {
            let at = at.index(len);
            drop(bytes.splice(at..at, vec![0x81; *depth]));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Frame,
    Hint,
    Envelope,
    Payload,
}

impl Target {
    const ALL: [Self; 4] = [Self::Frame, Self::Hint, Self::Envelope, Self::Payload];

    fn name(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Hint => "hint",
            Self::Envelope => "envelope",
            Self::Payload => "payload",
        }
    }

    fn seed(self, sample: &Sample) -> Vec<u8> {
        match self {
            Self::Frame => {
                frame::encode(Expect::Response, &sample.envelope(), &sample.attachments).unwrap()
            }
            Self::Hint => frame::encode_hint(&samples::hint()),
            Self::Envelope => sample.envelope(),
            Self::Payload => sample.payload.clone(),
        }
    }
}

/// What became of an input, and whether it got past a signature check.
struct Outcome {
    label: String,
    verified: bool,
}

/// Runs one input through its target; panics when something that must always hold does not.
fn run(target: Target, sample: &Sample, input: &[u8]) -> Outcome {
    match target {
        Target::Frame | Target::Hint => run_frame(input),
        Target::Envelope => run_envelope(sample, input),
        Target::Payload => run_payload(sample, input),
    }
}

fn label(error: impl std::fmt::Debug) -> String {
    let words = format!("{error:?}").to_lowercase();
    let words = words.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

fn run_frame(input: &[u8]) -> Outcome {
    let label = match frame::decode(Expect::Response, input) {
        Err(error) => label(error),
        Ok(Frame::Hint(hint)) => {
            assert_eq!(
                frame::decode(Expect::Response, &frame::encode_hint(&hint)),
                Ok(Frame::Hint(hint))
            );
            "hint".into()
        }
        Ok(Frame::Signed {
            envelope,
            attachments,
        }) => {
            // A frame has one encoding: what was read is what would be written.
            assert_eq!(
                frame::encode(Expect::Response, envelope, &attachments).as_deref(),
                Ok(input)
            );
            let opened = open(envelope).is_ok();
            if opened {
                "signed-opened".into()
            } else {
                "signed-not-an-envelope".into()
            }
        }
    };
    Outcome {
        label,
        verified: false,
    }
}

fn run_envelope(sample: &Sample, input: &[u8]) -> Outcome {
    let Ok(opened) = open(input) else {
        return Outcome {
            label: "not-an-envelope".into(),
            verified: false,
        };
    };
    let verified = opened
        .verify(sample.kind, NETWORK, sample.signer.public())
        .is_ok();
    // Only the bytes that were signed verify.
    assert_eq!(verified, input == sample.envelope());
    Outcome {
        label: if verified {
            "verified"
        } else {
            "bad-signature"
        }
        .into(),
        verified,
    }
}

fn run_payload(sample: &Sample, input: &[u8]) -> Outcome {
    let envelope = seal(sample.kind, NETWORK, &sample.signer, input);
    let opened = open(&envelope).expect("what was sealed opens");
    let payload = opened.verify(sample.kind, NETWORK, sample.signer.public());
    assert_eq!(payload, Ok(input), "what was sealed verifies");
    let label = match read(sample.reader, input) {
        Err(error) => label(error),
        Ok(again) => {
            let passed = gate(input).expect("what was read passed the gate");
            assert_eq!(
                again == input,
                !passed.extensions,
                "one encoding, apart from extensions"
            );
            assert_eq!(read(sample.reader, &again), Ok(again.clone()));
            if passed.extensions {
                "read-with-extensions"
            } else {
                "read"
            }
            .into()
        }
    };
    if sample.reader == Reader::Certificate {
        run_chain(&envelope);
    }
    Outcome {
        label,
        verified: true,
    }
}

/// A mutated certificate in an otherwise good chain never vouches for a key that it does not hold.
fn run_chain(certificate: &[u8]) {
    let bank = Bank::a();
    let roots: [RootKey; 1] = [bank.root_key()];
    let certificates = [bank.issuing_certificate(), certificate.to_vec()];
    if let Ok(verified) = verify_chain(&trust_in(&bank, &roots), &certificates, now()) {
        for key in verified.keys {
            assert!(
                certificate
                    .windows(32)
                    .any(|window| window == key.public.as_bytes())
            );
        }
    }
}

/// By label, the index of a sample and the bytes made of it.
type Examples = BTreeMap<String, (usize, Vec<u8>)>;

/// Runs the target's cases; returns how many inputs got past a signature, how many of those were
/// read, and an example of each label.
fn fuzz(target: Target) -> (u32, u32, Examples) {
    let all = samples::all();
    let seen = RefCell::new((0, 0, Examples::new()));
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        ..Config::default()
    };
    let input = (0..all.len(), prop::collection::vec(mutation(), 1..4));
    TestRunner::new(config)
        .run(&input, |(at, mutations)| {
            let mut bytes = target.seed(&all[at]);
            mutations
                .iter()
                .for_each(|mutation| mutate(&mut bytes, mutation));
            let outcome = run(target, &all[at], &bytes);
            let mut seen = seen.borrow_mut();
            seen.0 += u32::from(outcome.verified);
            seen.1 += u32::from(outcome.label.starts_with("read"));
            seen.2.entry(outcome.label).or_insert((at, bytes));
            Ok(())
        })
        .unwrap();
    seen.into_inner()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// `<target>--<sample>--<label>.hex`
fn corpus_entries() -> Vec<(Target, usize, String, Vec<u8>)> {
    let all = samples::all();
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let Some((target, rest)) = name.split_once("--") else {
            continue;
        };
        let (sample, label) = rest.split_once("--").unwrap();
        let target = Target::ALL
            .into_iter()
            .find(|one| one.name() == target)
            .unwrap();
        let at = all.iter().position(|one| one.name == sample).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        entries.push((
            target,
            at,
            label.to_owned(),
            hex::decode(text.trim()).unwrap(),
        ));
    }
    entries
}

fn keep(target: Target, examples: Examples) {
    if std::env::var("FUZZ_KEEP").is_err() {
        return;
    }
    let (all, known) = (samples::all(), corpus_entries());
    for (label, (at, bytes)) in examples {
        if !known
            .iter()
            .any(|entry| entry.0 == target && entry.2 == label)
        {
            let name = format!("{}--{}--{label}.hex", target.name(), all[at].name);
            std::fs::write(corpus().join(name), hex::encode(bytes) + "\n").unwrap();
        }
    }
}

#[test]
fn every_input_of_the_corpus_still_ends_as_it_did() {
    let all = samples::all();
    let entries = corpus_entries();
    for (target, at, label, bytes) in &entries {
        assert_eq!(
            run(*target, &all[*at], bytes).label,
            *label,
            "{target:?} {}",
            hex::encode(bytes)
        );
    }
    // One for each way to be malformed, one for each way to be read, at the least.
    assert!(
        entries.len() >= 20,
        "the corpus has {} inputs",
        entries.len()
    );
}

#[test]
fn fuzz_frames() {
    let (_, _, examples) = fuzz(Target::Frame);
    assert!(
        examples.contains_key("signed-opened"),
        "no mutated frame was read"
    );
    keep(Target::Frame, examples);
}

#[test]
fn fuzz_hints() {
    let (_, _, examples) = fuzz(Target::Hint);
    assert!(examples.contains_key("hint"), "no mutated hint was read");
    keep(Target::Hint, examples);
}

#[test]
fn fuzz_envelopes() {
    let (_, _, examples) = fuzz(Target::Envelope);
    assert!(
        examples.contains_key("bad-signature"),
        "no mutated envelope was opened"
    );
    keep(Target::Envelope, examples);
}

#[test]
fn fuzz_payloads_behind_a_valid_signature() {
    let (verified, were_read, examples) = fuzz(Target::Payload);
    // The floor: every input reaches the decoders, and enough of them are valid messages again.
    assert_eq!(verified, cases());
    assert!(
        were_read >= cases() / 10,
        "only {were_read} of {verified} mutated payloads were read"
    );
    let shape = format!("{:?}", Malformed::Shape).to_lowercase();
    assert!(examples.contains_key(&shape));
    keep(Target::Payload, examples);
}
