//! What a refusal leaves in the log: one line with code, reason and reference, and no resource.

use std::io;
use std::sync::{Arc, Mutex};

use finp2p_wire::envelope::Kind;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::world::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged while `act` runs, at the level that a node has.
fn logged(act: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, act);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn line(code: u16, reason: &str, detail: &str, reference: &str) -> String {
    format!(
        "INFO refused door=\"network\" organization=\"bank-b\" code={code} reason=\"{reason}\" \
         detail=\"{detail}\" reference={reference}"
    )
}

#[test]
fn a_refusal_is_one_line_with_its_reference_and_no_resource() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let items = || {
        vec![
            asset("bond"),
            asset("secret"),
            asset("past"),
            asset("no-such"),
        ]
    };
    let lines = logged(|| {
        talk.fetch(1, items());
    });
    let reference = &world.trail.take()[0].reference;
    let expected = [
        line(7104, "not-shared", "no policy", reference),
        line(7104, "not-shared", "no such asset", reference),
        line(7104, "not-shared", "policy expired", reference),
    ];
    assert_eq!(lines, expected);
    // What is granted leaves no line.
    assert_eq!(logged(|| drop(talk.fetch(2, vec![asset("bond")]))), [""; 0]);
}

#[test]
fn a_suspended_peer_is_a_line_too() {
    let mut world = World::new();
    world.edit(|resources| resources.peer("bank-b").suspended = true);
    let hello = sealed(Kind::Hello, &world.b.session, &world.b.hello().encode());
    let lines = logged(|| {
        world.answer(&world.b, &hello);
    });
    let reference = reference(&hello).to_string();
    assert_eq!(
        lines,
        [line(3000, "authentication", "suspended", &reference)]
    );
}

#[test]
fn a_peer_that_is_refused_all_the_time_gets_ten_lines_and_a_word() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let lines = logged(|| {
        for ctr in 1..100 {
            talk.fetch(ctr, vec![asset("secret")]);
        }
    });
    assert_eq!(lines.len(), 11, "{lines:#?}");
    assert!(lines[10].contains("further refusals"), "{}", lines[10]);
    assert_eq!(world.trail.take().len(), 99);
}

#[test]
fn what_a_peer_sends_is_in_no_line() {
    let mut world = World::new();
    let planted = json!({"allFields": true, "purposes": ["PLANTED-purpose"]});
    world.edit(|resources| resources.policy("PLANTED-policy", &["secret"], planted));
    let talk = world.connect(&world.b);
    let lines = logged(|| {
        talk.fetch_for(
            1,
            vec![asset("secret"), asset("PLANTED-id")],
            Some("PLANTED"),
        );
        talk.fetch(2, vec![units("bond", &["/PLANTED"])]);
        talk.fetch(3, vec![item("PLANTED")]);
    });
    assert!(lines.len() >= 4, "{lines:#?}");
    assert!(
        lines.iter().all(|line| !line.contains("PLANTED")),
        "{lines:#?}"
    );
}
