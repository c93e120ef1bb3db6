//! The kept texts: every hostile record and some good ones, with what must become of each.
//! Fuzzing starts from them, and what it finds is kept with them.

use std::collections::BTreeMap;

use super::super::disclosure::digest;
use super::super::{Verified, VerifyError};
use super::hostile::cases;
use super::scene::{Scene, crate_path, updating};

const CORPUS: &str = "corpus/record";

/// The kept texts by name, with the verdict on each, as `Debug` prints it.
pub fn corpus() -> BTreeMap<String, (String, String)> {
    let folder = crate_path(CORPUS);
    let read = |name: &str| {
        std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let verdicts: BTreeMap<String, String> = serde_json::from_str(&read("verdicts.json")).unwrap();
    verdicts
        .into_iter()
        .map(|(name, verdict)| (name.clone(), (read(&format!("{name}.sdjwt")), verdict)))
        .collect()
}

/// Keeps a text for which a test failed, until somebody has decided what becomes of it.
pub fn keep_found(text: &str) -> String {
    let name = format!("found-{}.sdjwt", &digest(text)[..10]);
    std::fs::create_dir_all(crate_path(CORPUS)).unwrap();
    std::fs::write(crate_path(CORPUS).join(&name), text).unwrap();
    name
}

fn verdict(result: &Result<Verified, VerifyError>) -> String {
    format!("{:?}", result.as_ref().map(|_| ()))
}

#[test]
fn the_kept_corpus_holds_every_case_and_its_verdict() {
    if updating() {
        let verdicts: BTreeMap<_, _> = cases()
            .into_iter()
            .map(|(name, text, expected)| {
                std::fs::create_dir_all(crate_path(CORPUS)).unwrap();
                std::fs::write(crate_path(CORPUS).join(format!("{name}.sdjwt")), text).unwrap();
                (name, format!("{expected:?}"))
            })
            .collect();
        let text = serde_json::to_string_pretty(&verdicts).unwrap();
        std::fs::write(crate_path(CORPUS).join("verdicts.json"), text + "\n").unwrap();
    }
    let scene = Scene::new();
    let corpus = corpus();
    for (name, (text, expected)) in &corpus {
        assert_eq!(&verdict(&scene.verify(text)), expected, "{name}");
    }
    for (name, text, _) in cases() {
        assert_eq!(
            corpus.get(name).map(|(kept, _)| kept),
            Some(&text),
            "{name}: UPDATE_FIXTURES=1 writes it anew"
        );
    }
    let files = std::fs::read_dir(crate_path(CORPUS)).unwrap().count();
    assert_eq!(
        files,
        corpus.len() + 1,
        "a kept text has no verdict in verdicts.json yet"
    );
}
