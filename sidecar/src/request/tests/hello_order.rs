//! The order of the checks of a hello, and attacks on identity.

use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::Hint;
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{Hello, Organization, VERSION};

use super::order::Counted;
use super::world::*;
use crate::network::Remote;

/// A hello of bank-b that would be accepted, until something is wrong with it.
struct Greeting {
    world: World,
    hello: Hello,
    remote: Remote,
    spoil: Vec<fn(&mut Vec<u8>)>,
    padded: bool,
}

type HelloFault = (&'static str, fn(&mut Greeting));

impl Greeting {
    fn new() -> Self {
        let world = World::new();
        let (hello, remote) = (world.b.hello(), world.b.remote());
        Self {
            world,
            hello,
            remote,
            spoil: Vec::new(),
            padded: false,
        }
    }

    fn send(&self) -> Got {
        let b = &self.world.b;
        let mut envelope = envelope::seal(Kind::Hello, NETWORK, &b.session, &self.hello.encode());
        self.spoil.iter().for_each(|spoil| spoil(&mut envelope));
        let mut frame = framed(&envelope);
        if self.padded {
            frame.resize(16 * 1024 + 1, 0);
        }
        self.world
            .read(self.world.responder.answer(now(), &self.remote, &frame))
    }

    fn certify(&mut self, said: Certified) {
        self.hello.certs = presented(&self.world.b.certified(said));
    }
}

const HELLO_FAULTS: &[HelloFault] = &[
    ("too large", |greeting| greeting.padded = true),
    ("another algorithm", |greeting| {
        greeting.spoil.push(|envelope| envelope[5] = 0x27);
    }),
    ("nobody pinned", |greeting| {
        greeting.hello.org = Organization::new("bank-x").unwrap();
    }),
    ("another connection", |greeting| {
        greeting.remote = greeting.world.c.remote()
    }),
    ("self-made root", |greeting| {
        let mut made_up = Bank::new("bank-b", 90);
        made_up.session = SigningKey::from_seed(&greeting.world.b.session.to_seed());
        made_up.peer = greeting.world.b.peer.clone();
        greeting.hello.certs = presented(&made_up.certified(USUAL));
    }),
    ("no version", |greeting| {
        greeting.hello.vers = List::new(vec![VERSION + 1]).unwrap();
    }),
    ("suspended", |greeting| {
        greeting
            .world
            .edit(|resources| resources.peer("bank-b").suspended = true);
    }),
    ("no token", |greeting| {
        greeting
            .world
            .responder
            .rates
            .charge(now(), "bank-b", 1000, 1000);
    }),
    ("another time", |greeting| greeting.hello.time = NOW - 121),
    ("bad signature", |greeting| {
        greeting
            .spoil
            .push(|envelope| *envelope.last_mut().unwrap() ^= 1);
    }),
];

/// Code of the hint (`None`: closed), codes of the entries, counts, and how many signatures of
/// certificates (chains) and of hellos were looked at.
type Seen = (Option<u16>, Vec<u16>, Counted, (u64, u64));

fn hello_expected(fault: &str) -> Seen {
    let bank_b = |code| vec![(Some("bank-b".to_owned()), code)];
    match fault {
        "too large" => (None, vec![], vec![(None, 3000)], (0, 0)),
        "another algorithm" => (Some(1002), vec![], vec![(None, 1002)], (0, 0)),
        "nobody pinned" => (None, vec![], vec![(None, 3000)], (0, 0)),
        "another connection" => (None, vec![], vec![(None, 3000)], (0, 0)),
        "self-made root" => (None, vec![], vec![(None, 3000)], (1, 0)),
        "no version" => (Some(9008), vec![], bank_b(9008), (1, 0)),
        "suspended" => (Some(3000), vec![], bank_b(3000), (1, 0)),
        "no token" => (Some(9003), vec![], bank_b(9003), (1, 0)),
        // The signature only for its vote on our clock.
        "another time" => (Some(9005), vec![], bank_b(9005), (1, 1)),
        "bad signature" => (Some(3000), vec![3000], vec![], (1, 1)),
        other => panic!("{other} is not a fault of this list"),
    }
}

fn hello_observe(greeting: &Greeting) -> Seen {
    let code = match greeting.send() {
        Got::Closed => None,
        got => Some(got.hint()),
    };
    let entries = greeting
        .world
        .trail
        .take()
        .into_iter()
        .map(|entry| entry.code)
        .collect();
    let tally = greeting.world.responder.tally(now());
    assert_eq!(tally.sessions, 0);
    let b = greeting.world.b.remote().peer;
    assert_eq!(greeting.world.admissions.organization(&b), None);
    (
        code,
        entries,
        greeting.world.counted(),
        (tally.chains, tally.signatures),
    )
}

#[test]
fn a_hello_that_fails_two_checks_is_refused_by_the_earlier() {
    for (position, (earlier, spoil)) in HELLO_FAULTS.iter().enumerate() {
        let mut greeting = Greeting::new();
        spoil(&mut greeting);
        assert_eq!(
            hello_observe(&greeting),
            hello_expected(earlier),
            "{earlier}"
        );
        for (later, also) in &HELLO_FAULTS[position + 1..] {
            let mut greeting = Greeting::new();
            spoil(&mut greeting);
            also(&mut greeting);
            assert_eq!(
                hello_observe(&greeting),
                hello_expected(earlier),
                "{earlier}, {later}"
            );
        }
    }
}

#[test]
fn a_suspended_organization_is_not_told_apart_by_whoever_claims_its_name() {
    let mut claimed = Greeting::new();
    claimed.remote = claimed.world.c.remote();
    let expected = hello_observe(&claimed);
    claimed
        .world
        .edit(|resources| resources.peer("bank-b").suspended = true);
    assert_eq!(hello_observe(&claimed), expected);
}

#[test]
fn attack_02_a_certificate_from_another_libp2p_identity_is_closed_before_a_signature() {
    // Bank-c, pinned itself, shows bank-b's certificates on its own connection.
    let mut greeting = Greeting::new();
    greeting.remote = greeting.world.c.remote();
    let seen = hello_observe(&greeting);
    assert_eq!(seen, (None, vec![], vec![(None, 3000)], (0, 0)));
    // The control: the same bytes on bank-b's connection.
    greeting.remote = greeting.world.b.remote();
    assert!(matches!(greeting.send(), Got::Signed(_)));
}

#[test]
fn attack_12_strangers_together_cannot_make_us_verify_more_than_so_many_chains_a_second() {
    let world = World::new();
    // Bank-c has said hello before; bank-b has not.
    world.connect(&world.c);
    let before = world.responder.tally(now());
    let greet = |second: u64, hello: Hello| {
        let hello = Hello {
            time: second,
            ..hello
        };
        let frame = sealed(Kind::Hello, &world.b.session, &hello.encode());
        let answer = world
            .responder
            .answer(at(second), &world.b.remote(), &frame);
        world.read(answer)
    };
    // Bank-b's issuing certificate with a session certificate that nobody signed, each time
    // another: nothing that could be looked up.
    let made_up = |n: u64| {
        let mut certificates = world.b.certified(Certified { serial: n, ..USUAL });
        let last = certificates[1].len() - 1;
        certificates[1][last] ^= 1;
        Hello {
            certs: presented(&certificates),
            ..world.b.hello()
        }
    };
    for n in 1..=1000 {
        assert!(matches!(greet(NOW, made_up(n)), Got::Closed));
    }
    let after = world.responder.tally(now());
    let spent = after.chains - before.chains;
    assert!((60..=64).contains(&spent), "{spent}");
    assert_eq!(after.signatures, before.signatures);
    // Who was heard before is still heard, and a newcomer as soon as there is a token.
    world.connect(&world.c);
    assert!(matches!(greet(NOW, world.b.hello()), Got::Closed));
    assert!(matches!(greet(NOW + 1, world.b.hello()), Got::Signed(_)));
}

#[test]
fn attack_12_a_certificate_that_is_there_twice_costs_no_signature_and_is_closed() {
    let mut greeting = Greeting::new();
    let mut certificates = greeting.world.b.certificates.clone();
    certificates.push(certificates[1].clone());
    greeting.hello.certs = presented(&certificates);
    let seen = hello_observe(&greeting);
    assert_eq!((seen.0, seen.2), (None, vec![(None, 3000)]));
}

#[test]
fn attack_16_who_cannot_sign_has_no_vote_on_our_clock_and_who_is_gone_neither() {
    let mut greeting = Greeting::new();
    greeting.hello.time = NOW + 3600;
    greeting
        .spoil
        .push(|envelope| *envelope.last_mut().unwrap() ^= 1);
    let timekeeper = std::sync::Arc::clone(&greeting.world.responder.timekeeper);
    for other in ["bank-c", "bank-d"] {
        timekeeper.witness(now(), other, NOW + 3600);
    }
    assert_eq!(greeting.send().hint(), 9005);
    assert!(!timekeeper.is_suspect());
    greeting.spoil.clear();
    assert_eq!(greeting.send().hint(), 9005);
    assert!(timekeeper.is_suspect());
    // Bank-d is not pinned.
    assert!(!greeting.world.responder.tally(now()).clock_suspect);
    assert!(!timekeeper.is_suspect());
}

#[test]
fn attack_03_whatever_is_wrong_with_a_certificate_has_one_wording() {
    let expired = Certified {
        not_before: NOW - 10 * DAY,
        not_after: NOW - 121,
        ..USUAL
    };
    let early = Certified {
        not_before: NOW + 121,
        ..USUAL
    };
    let cases: &[HelloFault] = &[
        ("expired", |_| {}),
        ("not yet valid", |_| {}),
        ("lower incarnation", |greeting| {
            let highest = &greeting.world.responder.incarnations;
            highest.raise("bank-b", USUAL.incarnation + 1).unwrap();
        }),
        ("revoked serial", |greeting| {
            greeting
                .world
                .edit(|resources| resources.peer("bank-b").revoked_serials.push(12));
        }),
    ];
    let mut hints = Vec::new();
    for (name, spoil) in cases {
        let mut greeting = Greeting::new();
        match *name {
            "expired" => greeting.certify(expired),
            "not yet valid" => greeting.certify(early),
            _ => {}
        }
        spoil(&mut greeting);
        let Got::Hint(hint, bytes) = greeting.send() else {
            panic!("{name} was not refused")
        };
        assert_eq!(hint.code.number(), 3000, "{name}");
        assert_eq!(
            greeting.world.counted(),
            [(Some("bank-b".to_owned()), 3000)],
            "{name}"
        );
        assert_eq!(greeting.world.trail.take(), [], "{name}");
        hints.push((
            Hint {
                reference: None,
                ..hint
            },
            bytes,
        ));
    }
    assert!(hints.windows(2).all(|pair| pair[0] == pair[1]), "{hints:?}");
}

#[test]
fn two_minutes_beside_its_time_a_certificate_is_still_good() {
    for said in [
        Certified {
            not_before: NOW - 10 * DAY,
            not_after: NOW - 120,
            ..USUAL
        },
        Certified {
            not_before: NOW + 120,
            ..USUAL
        },
    ] {
        let mut greeting = Greeting::new();
        greeting.certify(said);
        assert!(matches!(greeting.send(), Got::Signed(_)));
    }
}

#[test]
fn certificates_that_are_no_certificates_are_closed() {
    let mut greeting = Greeting::new();
    greeting.hello.certs = List::new(vec![Bytes::new([0xa0]).unwrap()]).unwrap();
    assert_eq!(
        hello_observe(&greeting),
        (None, vec![], vec![(None, 3000)], (0, 0))
    );
}
