//! Mutated records, most of them signed again so that they get past the signature.
//!
//! The kept corpus is where mutation starts from. `FUZZ_CASES` says how many are tried; what
//! fails is kept in the corpus as `found-….sdjwt`.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{TestError, TestRunner};
use serde_json::json;

use super::super::disclosure::{base64url, digest, from_base64url};
use super::super::issue::sign_texts;
use super::super::json;
use super::super::*;
use super::corpus::{corpus, keep_found};
use super::scene::{Scene, has_traces};

/// Cases in an ordinary test run: seconds, and enough for the floors below to be steady.
const CASES: u32 = 1500;

/// What is put into texts: the words that SD-JWT and JSON turn on.
const WORDS: [&str; 24] = [
    r#""_sd""#,
    r#""...""#,
    r#""_sd_alg""#,
    r#"{"_sd":[]}"#,
    r#"{"...":"x"}"#,
    r#""\u005fsd""#,
    r#""data":{}"#,
    r#","ver":2"#,
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-0",
    "1e400",
    "9007199254740993",
    "0.1",
    r#""name":1,"#,
    r#""crit":[],"#,
    "\\ud800",
    "\u{0}",
    "~",
];

/// New disclosures, for a digest that stood for nothing.
const DISCLOSURES: [&str; 10] = [
    r#"["s","new",1]"#,
    r#"["s","name",1]"#,
    r#"["s","_sd",[]]"#,
    r#"["s","...","x"]"#,
    r#"["s",1]"#,
    r#"["s","new",{"_sd":[]}]"#,
    r#"["s","new",[{"...":"x"}]]"#,
    r#"["s","new",{"in":{"_sd":[]}}]"#,
    r#"["s","new",{}]"#,
    r#"["s","new",{"_sd_alg":1}]"#,
];

#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, Index, u8),
    Insert(Index, Index, Index),
    Cut(Index, Index, u8),
    Drop(Index),
    Double(Index),
    Swap(Index, Index),
    Add(Index, Index),
    CopyDigest(Index, Index),
}

#[derive(Debug, Clone)]
struct Input {
    base: Index,
    mutations: Vec<Mutation>,
    /// Whether digests follow the disclosures they stand for.
    relink: bool,
    /// Whether the result is signed again.
    resign: bool,
}

fn input() -> impl Strategy<Value = Input> {
    let index = any::<Index>;
    let mutation = prop_oneof![
        3 => (index(), index(), 1..=255_u8).prop_map(|(part, at, bits)| Mutation::Flip(part, at, bits)),
        3 => (index(), index(), index()).prop_map(|(part, at, word)| Mutation::Insert(part, at, word)),
        1 => (index(), index(), any::<u8>()).prop_map(|(part, at, length)| Mutation::Cut(part, at, length)),
        2 => index().prop_map(Mutation::Drop),
        1 => index().prop_map(Mutation::Double),
        2 => (index(), index()).prop_map(|(left, right)| Mutation::Swap(left, right)),
        3 => (index(), index()).prop_map(|(which, digest)| Mutation::Add(which, digest)),
        2 => (index(), index()).prop_map(|(from, to)| Mutation::CopyDigest(from, to)),
    ];
    (
        index(),
        vec(mutation, 1..4),
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.85),
    )
        .prop_map(|(base, mutations, relink, resign)| Input {
            base,
            mutations,
            relink,
            resign,
        })
}

/// A record taken apart: decoded texts, and for each disclosure the digest that stands for it.
struct Parts {
    /// Header, payload, then the disclosures.
    texts: Vec<Vec<u8>>,
    linked: Vec<String>,
    signature: String,
}

impl Parts {
    fn of(presented: &str) -> Self {
        let decoded = |text: &str| from_base64url(text).unwrap_or_else(|| text.as_bytes().to_vec());
        let (jwt, rest) = presented.split_once('~').unwrap_or((presented, ""));
        let mut jwt = jwt.splitn(3, '.');
        let mut texts = vec![
            decoded(jwt.next().unwrap_or_default()),
            decoded(jwt.next().unwrap_or_default()),
        ];
        let disclosures: Vec<&str> = rest.split_terminator('~').collect();
        texts.extend(disclosures.iter().map(|one| decoded(one)));
        Self {
            texts,
            linked: disclosures.iter().map(|one| digest(one)).collect(),
            signature: jwt.next().unwrap_or_default().to_owned(),
        }
    }

    fn apply(&mut self, mutation: &Mutation) {
        let disclosures = self.linked.len();
        match mutation {
            Mutation::Flip(part, at, bits) => {
                let text = self.text(part);
                if !text.is_empty() {
                    let at = at.index(text.len());
                    text[at] ^= bits;
                }
            }
            Mutation::Insert(part, at, word) => {
                let text = self.text(part);
                let at = at.index(text.len() + 1);
                text.splice(at..at, WORDS[word.index(WORDS.len())].bytes());
            }
            Mutation::Cut(part, at, length) => {
                let text = self.text(part);
                let at = at.index(text.len() + 1);
                text.drain(at..text.len().min(at + usize::from(*length)));
            }
            Mutation::Drop(which) if disclosures > 0 => {
                let which = which.index(disclosures);
                self.texts.remove(which + 2);
                self.linked.remove(which);
            }
            Mutation::Double(which) if disclosures > 0 => {
                let which = which.index(disclosures);
                self.texts.push(self.texts[which + 2].clone());
                self.linked.push(self.linked[which].clone());
            }
            Mutation::Swap(left, right) if disclosures > 0 => {
                self.texts
                    .swap(left.index(disclosures) + 2, right.index(disclosures) + 2);
                self.linked
                    .swap(left.index(disclosures), right.index(disclosures));
            }
            Mutation::Add(which, at) => {
                if let Some(stands_for) = self.digest(at) {
                    self.texts
                        .push(DISCLOSURES[which.index(DISCLOSURES.len())].into());
                    self.linked.push(stands_for);
                }
            }
            Mutation::CopyDigest(from, to) => {
                if let (Some(from), Some(to)) = (self.digest(from), self.digest(to)) {
                    self.texts
                        .iter_mut()
                        .skip(1)
                        .for_each(|text| replace(text, &to, &from));
                }
            }
            Mutation::Drop(_) | Mutation::Double(_) | Mutation::Swap(..) => {}
        }
    }

    /// Mostly a disclosure or the payload, sometimes the header.
    fn text(&mut self, part: &Index) -> &mut Vec<u8> {
        let ends = self.texts.len() * 4 - 3;
        let part = part.index(ends).div_ceil(4);
        &mut self.texts[part]
    }

    /// One of the texts of the length of a digest in payload and disclosures.
    fn digest(&self, which: &Index) -> Option<String> {
        let quoted: Vec<String> = self.texts[1..]
            .iter()
            .flat_map(|text| text.split(|byte| *byte == b'"'))
            .filter(|text| text.len() == 43)
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect();
        (!quoted.is_empty()).then(|| quoted[which.index(quoted.len())].clone())
    }

    /// Puts the digest of each disclosure where the one it had before stands; an object's
    /// disclosure changes with its members', so as often as objects nest.
    fn relink(&mut self) {
        for _ in 0..=MAX_UNIT_DEPTH {
            for which in 0..self.linked.len() {
                let now = digest(&base64url(&self.texts[which + 2]));
                let before = std::mem::replace(&mut self.linked[which], now.clone());
                if before != now {
                    self.texts
                        .iter_mut()
                        .skip(1)
                        .for_each(|text| replace(text, &before, &now));
                }
            }
        }
    }

    fn presented(&self, resign: Option<&Scene>) -> String {
        let disclosures: String = self.texts[2..]
            .iter()
            .map(|text| base64url(text) + "~")
            .collect();
        let jwt = match (
            resign,
            std::str::from_utf8(&self.texts[0]),
            std::str::from_utf8(&self.texts[1]),
        ) {
            (Some(scene), Ok(header), Ok(payload)) => sign_texts(header, payload, &scene.key),
            _ => format!(
                "{}.{}.{}",
                base64url(&self.texts[0]),
                base64url(&self.texts[1]),
                self.signature
            ),
        };
        format!("{jwt}~{disclosures}")
    }
}

fn replace(text: &mut [u8], old: &str, new: &str) {
    let Some(last) = text.len().checked_sub(old.len()) else {
        return;
    };
    for at in 0..=last {
        if text[at..].starts_with(old.as_bytes()) && old.len() == new.len() {
            text[at..at + new.len()].copy_from_slice(new.as_bytes());
        }
    }
}

fn mutated(input: &Input, bases: &[String], scene: &Scene) -> String {
    let mut parts = Parts::of(&bases[input.base.index(bases.len())]);
    input
        .mutations
        .iter()
        .for_each(|mutation| parts.apply(mutation));
    if input.relink {
        parts.relink();
    }
    parts.presented(input.resign.then_some(scene))
}

/// How far an input got.
#[derive(Debug, Default, PartialEq)]
struct Reached {
    signature: u32,
    disclosures: u32,
    accepted: u32,
}

impl Reached {
    fn count(&mut self, result: &Result<Verified, VerifyError>) {
        use VerifyError::{Claims, Disclosures, Mismatch, Shape, Time};
        let disclosures = matches!(result, Ok(_) | Err(Disclosures(_) | Shape));
        let signature = disclosures || matches!(result, Err(Claims | Mismatch(_) | Time));
        self.signature += u32::from(signature);
        self.disclosures += u32::from(disclosures);
        self.accepted += u32::from(result.is_ok());
    }
}

/// What must hold of anything that is accepted.
fn sound(text: &str, verified: &Verified, scene: &Scene) -> Result<(), String> {
    let data = json!(verified.data);
    let again = json::parse(data.to_string().as_bytes());
    let checks = [
        ("what is withheld left a trace", !has_traces(&data)),
        (
            "more units than a record has",
            verified.units.len() <= MAX_UNITS,
        ),
        (
            "a unit is not in the data",
            verified
                .units
                .iter()
                .all(|unit| data.pointer(unit.as_str()).is_some()),
        ),
        (
            "another reader sees another value",
            again.as_ref() == Ok(&data),
        ),
        (
            "the same text got another verdict",
            scene.verify(text).as_ref() == Ok(verified),
        ),
        (
            "a claim is not what was asked for",
            verified.claims.iss == "bank-a" && verified.claims.sub == super::scene::SUB,
        ),
    ];
    checks
        .iter()
        .find(|(_, holds)| !holds)
        .map_or(Ok(()), |(broken, _)| Err((*broken).to_owned()))
}

#[test]
fn mutated_records_are_refused_or_sound_and_many_get_past_the_signature() {
    let scene = Scene::new();
    let bases: Vec<String> = corpus()
        .into_iter()
        // The good ones often, so that mutations meet what is otherwise right.
        .flat_map(|(name, (text, _))| vec![text; if name.starts_with("good") { 40 } else { 1 }])
        .collect();
    let cases = std::env::var("FUZZ_CASES")
        .ok()
        .map_or(CASES, |text| text.parse().expect("FUZZ_CASES is a number"));
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let reached = std::cell::RefCell::new(Reached::default());
    let run = runner.run(&input(), |input| {
        let text = mutated(&input, &bases, &scene);
        let result = scene.verify(&text);
        reached.borrow_mut().count(&result);
        match result {
            Ok(verified) => sound(&text, &verified, &scene).map_err(TestCaseError::fail),
            Err(_) => Ok(()),
        }
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => {
            let kept = keep_found(&mutated(&input, &bases, &scene));
            panic!("{reason}; kept as {kept}: {input:?}");
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
    let Reached {
        signature,
        disclosures,
        accepted,
    } = reached.into_inner();
    // About three quarters of what is seen in practice, so that a mutation that no longer
    // gets anywhere is noticed and chance is not.
    println!(
        "of {cases}: {signature} past the signature, {disclosures} at the disclosures, {accepted} accepted"
    );
    assert!(
        signature * 100 > cases * 55,
        "{signature} of {cases} got past the signature"
    );
    assert!(
        disclosures * 100 > cases * 42,
        "{disclosures} of {cases} got to the disclosures"
    );
    assert!(
        accepted * 100 > cases * 10,
        "{accepted} of {cases} were accepted"
    );
}
