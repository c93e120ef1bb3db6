//! Content becomes versions while the node answers: thousands of changed contents, or a source that
//! takes its time, hold up neither what is in force nor who asks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use finp2p_crds::shared_asset::Content;
use finp2p_sidecar::config::content::ContentError;
use finp2p_sidecar::config::{Directory, Reading, Source, SourceError, Stamp};
use jiff::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::world::{Config, World};

/// Longest that an answer may take which waits for nothing.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A directory whose contents come from here.
#[derive(Debug)]
struct Held {
    directory: Directory,
    /// Says that a content is asked for, and waits for the word to give it.
    gate: Option<Mutex<(Sender<()>, Receiver<()>)>>,
    given: Arc<AtomicUsize>,
    /// Changes with all contents.
    version: Arc<AtomicUsize>,
}

impl Source for Held {
    fn stamp(&self) -> Stamp {
        self.directory.stamp()
    }

    fn read(&self) -> Result<Reading, SourceError> {
        Source::read(&self.directory)
    }

    fn reached(&self, now: Timestamp) -> Option<Timestamp> {
        self.directory.reached(now)
    }

    fn contents_stamp(&self) -> Stamp {
        Stamp(vec![self.version.load(Ordering::SeqCst) as u64])
    }

    fn content_stamp(&self, _content: &Content) -> Stamp {
        self.contents_stamp()
    }

    fn content(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        if let Some(gate) = &self.gate {
            let gate = gate.lock().unwrap();
            gate.0.send(()).unwrap();
            gate.1.recv().unwrap();
        }
        self.given.fetch_add(1, Ordering::SeqCst);
        let key = &content.secret.as_ref().unwrap().key;
        let version = self.version.load(Ordering::SeqCst);
        let value = json!({"isin": key, "version": version});
        Ok(Zeroizing::new(value.to_string().into_bytes()))
    }
}

fn assets(count: usize) -> Vec<(&'static str, Value)> {
    (0..count)
        .map(|n| {
            let name: &'static str = format!("a{n:04}").leak();
            (name, json!({"secret": {"name": "bonds", "key": name}}))
        })
        .collect()
}

#[test]
fn neither_an_edit_nor_who_asks_waits_for_contents_that_are_being_published() {
    let (asked, is_asked) = channel();
    let (give, given) = channel();
    let world = World::over(|directory| {
        Arc::new(Held {
            directory,
            gate: Some(Mutex::new((asked, given))),
            given: Arc::default(),
            version: Arc::default(),
        })
    });
    let mut config = Config {
        assets: assets(1),
        ..Config::default()
    };
    world.write(&config);
    assert!(world.node.tick(world.clock.now()).served.is_some());
    let (node, clock) = (Arc::clone(&world.node), world.clock.clone());
    let published = std::thread::spawn(move || node.publish(clock.now()));
    is_asked.recv_timeout(AT_ONCE).unwrap();
    // The node is in the middle of publishing, and will be until it gets the word.
    config.sequence += 1;
    world.write(&config);
    let (looked, tick) = channel();
    {
        let (node, clock) = (Arc::clone(&world.node), world.clock.clone());
        std::thread::spawn(move || looked.send(node.tick(clock.now())).unwrap());
    }
    let tick = tick
        .recv_timeout(AT_ONCE)
        .expect("an edit waits for the publishing");
    assert_eq!(tick.served.unwrap().applied.root.sequence, config.sequence);
    let (answered, answer) = channel();
    let asking = {
        let (prober, trading, node) = (world.prober(), world.trading(), Arc::clone(&world.node));
        let now = world.clock.now();
        std::thread::spawn(move || {
            prober.get("/readyz");
            prober.get("/metrics");
            let status = trading.get("/v1/status").status;
            assert!(!node.accept(now).unwrap());
            answered.send(status).unwrap();
        })
    };
    let status = answer.recv_timeout(AT_ONCE);
    give.send(()).unwrap();
    assert_eq!(status, Ok(200), "whoever asks waits for the publishing");
    asking.join().unwrap();
    assert!(!published.join().unwrap().more);
}

#[test]
fn what_is_in_force_does_not_wait_for_thousands_of_contents() {
    let (given, version) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let world = World::over(|directory| {
        Arc::new(Held {
            directory,
            gate: None,
            given: Arc::clone(&given),
            version: Arc::clone(&version),
        })
    });
    let mut config = Config {
        assets: assets(1000),
        ..Config::default()
    };
    world.write(&config);
    let publish_all = || {
        world.node.tick(world.clock.now());
        let mut steps = 1;
        while world.node.publish(world.clock.now()).more {
            steps += 1;
            assert!(steps < 1000, "it never ends");
        }
        steps
    };
    let steps = publish_all();
    assert!(steps >= 1000 / 64, "{steps}");
    assert_eq!(given.swap(0, Ordering::SeqCst), 1000);

    // Everything changes; a moment later so does the configuration.
    version.store(1, Ordering::SeqCst);
    assert!(world.node.publish(world.clock.now()).more);
    config.sequence += 1;
    config.clients.clear();
    world.write(&config);
    let tick = world.node.tick(world.clock.now());
    assert!(tick.changed);
    assert_eq!(tick.served.unwrap().applied.root.sequence, config.sequence);
    assert!(given.load(Ordering::SeqCst) <= 64);
    publish_all();
    assert_eq!(given.swap(0, Ordering::SeqCst), 1000);

    // An edit of something else reads no content again.
    config.sequence += 1;
    config.assets.pop();
    world.write(&config);
    publish_all();
    assert_eq!(given.load(Ordering::SeqCst), 0);
}

#[test]
fn content_that_the_operator_left_out_is_not_read_and_its_last_version_stays() {
    let (given, version) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let world = World::over(|directory| {
        Arc::new(Held {
            directory,
            gate: None,
            given: Arc::clone(&given),
            version: Arc::clone(&version),
        })
    });
    let mut config = Config {
        assets: assets(2),
        ..Config::default()
    };
    world.configure(&config);
    assert_eq!(given.swap(0, Ordering::SeqCst), 2);

    config.sequence += 1;
    config.left_out = vec!["a0001"];
    world.configure(&config);
    version.store(1, Ordering::SeqCst);
    world.look();
    let version_of = |name: &str| {
        let asset = world.trading().get(&format!("/v1/assets/{name}")).body;
        assert_eq!(asset["source"], "secret", "{asset}");
        asset["data"]["version"].clone()
    };
    assert_eq!(version_of("a0000"), 1);
    assert_eq!(version_of("a0001"), 0);
    assert_eq!(given.load(Ordering::SeqCst), 1);
    // The operator tells its owner.
    let status = world.trading().get("/v1/status").body;
    assert_eq!(status["exceptions"], json!([]));
}
