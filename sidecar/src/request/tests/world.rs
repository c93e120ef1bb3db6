//! Three banks with real keys, certificates and records, and a responder of the first one.

mod bank;
mod parts;
mod resources;
mod talk;

use std::collections::BTreeMap;
use std::sync::Arc;

use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::{self, Expect, Frame};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{Hello, HelloOk};
use jiff::Timestamp;
use serde_json::Value;

use crate::audit::{Count, Counters, Entry};
use crate::identity::Identity;
use crate::network::{Admissions, Answer};
use crate::primary::Primary;
use crate::primary::version::Held;
use crate::record::{self, Claims, Content, Opening};
use crate::request::time::Timekeeper;
use crate::request::{Configuration, Incarnations, Parts, RecordCertificate, Responder, Snapshot};
use crate::store::{Key, MemoryStore, Space, Store};

pub use bank::*;
pub use parts::*;
pub use resources::*;
pub use talk::*;

/// Bank-a's node, and the banks that talk to it.
pub struct World {
    pub a: Bank,
    pub b: Bank,
    pub c: Bank,
    pub resources: Resources,
    pub configuration: Arc<Configuration>,
    pub responder: Responder,
    pub records: Arc<CountedRecords>,
    pub trail: Arc<MemoryTrail>,
    pub counters: Arc<Counters>,
    pub admissions: Admissions,
    pub store: Arc<MemoryStore>,
}

impl World {
    pub fn new() -> Self {
        let (a, b, c) = (
            Bank::new("bank-a", 10),
            Bank::new("bank-b", 30),
            Bank::new("bank-c", 50),
        );
        let resources = resources(&b, &c);
        let store = Arc::new(MemoryStore::new());
        let configuration = Arc::new(Configuration::new(snapshot(&a, &resources, [1; 32])));
        let trail = Arc::new(MemoryTrail::default());
        let counters = Arc::new(Counters::new());
        let admissions = Admissions::new(64);
        let records = Arc::new(CountedRecords::new(Primary::new(
            store.clone(),
            a.name.clone(),
            NETWORK.to_owned(),
        )));
        let responder = Responder::new(Parts {
            configuration: configuration.clone(),
            records: records.clone(),
            trail: trail.clone(),
            counters: counters.clone(),
            incarnations: Arc::new(Incarnations::new(store.clone())),
            admissions: admissions.clone(),
            timekeeper: Arc::new(Timekeeper::default()),
        });
        let world = Self {
            a,
            b,
            c,
            resources,
            configuration,
            responder,
            records,
            trail,
            counters,
            admissions,
            store,
        };
        for name in ["bond", "research", "quiet", "secret", "past"] {
            world.publish(name, &content());
        }
        world.damage("broken");
        world
    }

    /// The same node after a restart: what is stored stays, what was in memory is gone.
    pub fn restart(&mut self) {
        self.responder = Responder::new(Parts {
            configuration: self.configuration.clone(),
            records: self.records.clone(),
            trail: self.trail.clone(),
            counters: self.counters.clone(),
            incarnations: Arc::new(Incarnations::new(self.store.clone())),
            admissions: Admissions::new(64),
            timekeeper: Arc::new(Timekeeper::default()),
        });
    }

    pub fn publish(&self, name: &str, content: &Value) {
        let resource = format!("bank-a:102:{name}");
        let claims = Claims {
            iss: "bank-a".to_owned(),
            sub: resource.clone(),
            ver: 41,
            iat: NOW,
            net: NETWORK.to_owned(),
        };
        let opened = record::Pointer::parse("/address").unwrap();
        let record = record::issue(
            &Content::parse(content.to_string().as_bytes()).unwrap(),
            &Opening::Objects([opened].into()),
            &claims,
            &self.a.record,
            &mut rand::rng(),
        );
        let held = Held {
            version: 41,
            fingerprint: [0; 32],
            record: record.unwrap(),
        };
        let key = Key::new(Space::Record, resource).unwrap();
        self.store
            .put(key, serde_json::to_vec(&held).unwrap().into())
            .unwrap();
    }

    fn damage(&self, name: &str) {
        let key = Key::new(Space::Record, format!("bank-a:102:{name}")).unwrap();
        self.store
            .put(key, b"{\"damaged\":".to_vec().into())
            .unwrap();
    }

    /// Puts edited resources in force.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Resources)) {
        edit(&mut self.resources);
        self.configuration.apply(self.edited(|_| {}));
    }

    /// The snapshot of edited resources, not yet in force.
    pub fn edited(&self, edit: impl FnOnce(&mut Resources)) -> Snapshot {
        let mut resources = self.resources.clone();
        edit(&mut resources);
        snapshot(&self.a, &resources, [2; 32])
    }

    pub fn answer(&self, bank: &Bank, frame: &[u8]) -> Got {
        self.answer_at(now(), bank, frame)
    }

    pub fn answer_at(&self, now: Timestamp, bank: &Bank, frame: &[u8]) -> Got {
        self.read(self.responder.answer(now, &bank.remote(), frame))
    }

    /// Reads an answer; a signed one must be bank-a's.
    pub fn read(&self, answer: Answer) -> Got {
        let bytes = match answer {
            Answer::Close => return Got::Closed,
            Answer::Respond(bytes) => bytes,
        };
        match frame::decode(Expect::Response, &bytes).unwrap() {
            Frame::Hint(hint) => Got::Hint(hint, bytes.len()),
            Frame::Signed {
                envelope,
                attachments,
            } => Got::Signed(Signed {
                envelope: envelope.to_vec(),
                attachments: attachments.into_iter().map(<[u8]>::to_vec).collect(),
                bytes: bytes.len(),
            }),
        }
    }

    pub fn connect<'w>(&'w self, bank: &'w Bank) -> Talk<'w> {
        self.connect_at(NOW, bank)
    }

    pub fn connect_at<'w>(&'w self, second: u64, bank: &'w Bank) -> Talk<'w> {
        let hello = Hello {
            time: second,
            ..bank.hello()
        };
        let frame = sealed(Kind::Hello, &bank.session, &hello.encode());
        let ok = self.hello_ok(&self.answer_at(at(second), bank, &frame));
        self.trail.take();
        Talk {
            world: self,
            bank,
            sid: ok.sid,
            now: second,
        }
    }

    pub fn hello_ok(&self, got: &Got) -> HelloOk {
        let Got::Signed(signed) = got else {
            panic!("no session: {got:?}")
        };
        HelloOk::decode(self.verified(Kind::HelloOk, signed)).unwrap()
    }

    pub fn verified<'s>(&self, kind: Kind, signed: &'s Signed) -> &'s [u8] {
        let opened = envelope::open(&signed.envelope).unwrap();
        opened
            .verify(kind, NETWORK, self.a.session.public())
            .unwrap()
    }

    /// The refusals counted since the last call, as (organization, code).
    pub fn counted(&self) -> Vec<(Option<String>, u16)> {
        let Some(Entry::Counted(counted)) = self.counters.finish(now()) else {
            return Vec::new();
        };
        let each = counted.counts.into_iter();
        each.flat_map(
            |Count {
                 organization,
                 code,
                 n,
                 ..
             }| { vec![(organization, code); usize::try_from(n).unwrap()] },
        )
        .collect()
    }
}

fn snapshot(a: &Bank, resources: &Resources, set: [u8; 32]) -> Snapshot {
    let known =
        RecordCertificate::new(a.certificates[2].clone(), a.certificates[0].clone()).unwrap();
    Snapshot {
        generation: 0,
        set: Digest(set),
        identity: Arc::new(Identity {
            organization: a.name.clone(),
            network: NETWORK.to_owned(),
            incarnation: USUAL.incarnation,
            certificates: a.certificates.clone(),
            session: SigningKey::from_seed(&a.session.to_seed()),
            peer: a.peer.clone(),
        }),
        record_keys: BTreeMap::from([(a.record.kid(), vec![known])]),
        facts: resources.facts(),
        restrained_by: resources.restrained_by.clone(),
        stale: resources.stale,
        requests_per_second: resources.requests_per_second,
    }
}
