//! Hostile files: refused with a sentence, in bounded work, and without harm to the others.
//! What is asserted is counted work (bytes, documents, nodes), never time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;

use finp2p_operator::finding::Finding;
use finp2p_operator::manifest::folder::BUDGET;
use finp2p_operator::manifest::{Cost, Folder, Manifest, Reader, limits};
use proptest::prelude::*;

const GOOD: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good, namespace: ns}\ndata: {a: b}\n";

/// Reads text without any check of kinds: the reader alone.
fn read(text: impl AsRef<[u8]>) -> Folder {
    let check = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&check);
    reader.stream(text.as_ref());
    reader.finish()
}

fn reasons(folder: &Folder) -> Vec<&str> {
    folder.findings.iter().map(|f| f.reason.as_str()).collect()
}

fn names(folder: &Folder) -> Vec<&str> {
    folder
        .namespaces
        .iter()
        .flat_map(|n| &n.objects)
        .map(|o| o.id.name.as_str())
        .collect()
}

/// The reason for which a hostile document is refused while the good ones around it stay.
fn refused(hostile: &str) -> String {
    let folder = read(format!(
        "{GOOD}---\n{hostile}\n---\n{}",
        GOOD.replace("name: good", "name: last")
    ));
    assert_eq!(names(&folder), ["good", "last"], "{:.80}", hostile);
    assert!(!folder.complete, "who it was is not known");
    assert!(folder.cost.nodes <= limits::DOCUMENT_MAX_NODES + 60);
    let reasons = reasons(&folder);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0].to_owned()
}

#[test]
fn refuses_anchors_aliases_merge_keys_and_tags() {
    assert_eq!(refused("a: &x 1\nb: *x"), "YamlAlias");
    assert_eq!(refused("a: *x"), "YamlSyntax");
    assert_eq!(refused("<<: {a: 1}"), "YamlAlias");
    assert_eq!(refused("a: !!binary aGk="), "YamlTag");
    assert_eq!(refused("a: !secret x"), "YamlTag");
    assert_eq!(refused("--- !!python/object:os.system\na: 1"), "YamlTag");
    let folder = read(format!("%YAML 1.1\n---\n{GOOD}"));
    assert_eq!(reasons(&folder), ["YamlDirective"]);
}

#[test]
fn a_billion_laughs_are_one_refusal() {
    let mut text = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for (above, name) in ('a'..'i').zip('b'..='i') {
        let list = vec![format!("*{above}"); 9].join(", ");
        writeln!(text, "{name}: &{name} [{list}]").unwrap();
    }
    let folder = read(&text);
    assert_eq!(reasons(&folder), ["YamlAlias"]);
    assert!(folder.cost.nodes < 10, "{:?}", folder.cost);
}

#[test]
fn depth_is_bounded_in_every_style() {
    const DEEP: usize = 100_000;
    for text in [
        "[".repeat(DEEP),
        "{a: ".repeat(DEEP),
        "- ".repeat(DEEP),
        "? ".repeat(DEEP),
        format!("a: {}", "[".repeat(DEEP)),
        (0..1_000).fold(String::new(), |mut text, depth| {
            writeln!(text, "{}a:", " ".repeat(depth)).unwrap();
            text
        }),
    ] {
        let folder = read(&text);
        assert_eq!(folder.findings.len(), 1);
        assert!(
            ["TooDeep", "YamlSyntax", "KeyNotText"].contains(&folder.findings[0].reason.as_str()),
            "{:?}",
            folder.findings
        );
        assert!(
            folder.cost.nodes <= 4 * limits::MAX_DEPTH,
            "{:?}",
            folder.cost
        );
    }
    let deep = format!(
        "{}1{}",
        "[".repeat(limits::MAX_DEPTH),
        "]".repeat(limits::MAX_DEPTH)
    );
    assert_eq!(
        reasons(&read(&deep)),
        ["NotAnObject"],
        "as deep as is allowed"
    );
    assert_eq!(reasons(&read(format!("[{deep}]"))), ["TooDeep"]);
}

/// Counts what is taken from it.
struct Counted<R>(R, u64);

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1 += count as u64;
        Ok(count)
    }
}

#[test]
fn a_hundred_megabytes_of_one_key_are_not_read() {
    let check = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&check);
    let mut source = Counted(std::io::repeat(b'k').take(100 << 20), 0);
    reader.stream(&mut source);
    let folder = reader.finish();
    assert_eq!(reasons(&folder), ["FileTooLarge"]);
    assert!(
        source.1 <= limits::FILE_MAX_BYTES as u64 + 1,
        "{} bytes were taken",
        source.1
    );
    assert_eq!(folder.cost.nodes, 0);
}

#[test]
fn large_documents_keys_and_lists_are_refused() {
    assert_eq!(
        refused(&format!("a: {}", "x".repeat(limits::DOCUMENT_MAX_BYTES))),
        "DocumentTooLarge"
    );
    assert_eq!(
        refused(&format!("{}: 1", "k".repeat(limits::KEY_MAX_BYTES + 1))),
        "KeyTooLong"
    );
    assert_eq!(
        refused(&format!(
            "a: [{}]",
            "1, ".repeat(limits::DOCUMENT_MAX_NODES)
        )),
        "TooManyNodes"
    );
}

/// Reads with less to spend than everybody has.
fn read_within(text: &str, budget: Cost) -> Folder {
    let check = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&check).within(budget);
    reader.stream(text.as_bytes());
    reader.finish()
}

#[test]
fn nodes_of_all_documents_together_are_bounded() {
    let one = format!("---\na: [{}]\n", "1,".repeat(900));
    let budget = Cost {
        nodes: 5_000,
        ..BUDGET
    };
    let folder = read_within(&one.repeat(60), budget);
    assert_eq!(folder.cost.nodes, budget.nodes);
    assert!(reasons(&folder).contains(&"TooManyNodes"));
    assert!(!folder.complete);
}

#[test]
fn bytes_of_all_files_together_are_bounded() {
    let check = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&check).within(Cost {
        bytes: 2 * GOOD.len(),
        ..BUDGET
    });
    for _ in 0..3 {
        reader.stream(GOOD.as_bytes());
    }
    let folder = reader.finish();
    assert_eq!(folder.cost.bytes, 2 * GOOD.len());
    assert_eq!(reasons(&folder), ["FileTooLarge", "DuplicateObject"]);
}

#[test]
fn ten_thousand_documents_are_read_and_no_more_than_the_bound() {
    let documents = |count: usize| -> String {
        (0..count).fold(String::new(), |mut text, index| {
            write!(text, "---\n{}", GOOD.replace("good", &format!("n{index}"))).unwrap();
            text
        })
    };
    let folder = read(documents(10_000));
    assert_eq!(names(&folder).len(), 10_000);
    assert_eq!(folder.findings, vec![]);
    let budget = Cost {
        documents: 200,
        ..BUDGET
    };
    let check = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&check).within(budget);
    // The one that is too long is lost alone.
    reader.stream("---\n".repeat(300).as_bytes());
    reader.stream(documents(200).as_bytes());
    let folder = reader.finish();
    assert_eq!(names(&folder).len(), 200);
    assert_eq!(reasons(&folder), ["TooManyDocuments"]);
    assert!(!folder.complete);
}

#[test]
fn findings_are_bounded() {
    let folder = read("--- [\n".repeat(20_000));
    assert!(folder.findings.len() <= limits::MAX_FINDINGS + 1);
    assert!(reasons(&folder).contains(&"TooManyFindings"));
}

#[test]
fn refuses_what_readers_of_yaml_disagree_about() {
    assert_eq!(refused("a: 1\na: 2"), "DuplicateKey");
    assert_eq!(refused("a: 1\n\"a\": 2"), "DuplicateKey");
    assert_eq!(refused("1: a"), "KeyNotText");
    assert_eq!(refused("true: a"), "KeyNotText");
    assert_eq!(refused("? [a, b]\n: c"), "KeyNotText");
    assert_eq!(refused("? {a: b}\n: c"), "KeyNotText");
    assert_eq!(refused("a: 0777"), "NumberAmbiguous");
    assert_eq!(refused("a: .nan"), "NumberNotFinite");
    assert_eq!(refused("a: 1e999"), "NumberNotFinite");
    assert_eq!(refused("a: 99999999999999999999"), "NumberTooLarge");
    assert_eq!(refused("just text"), "NotAnObject");
    assert_eq!(refused("- a"), "NotAnObject");
    assert_eq!(refused("a:\n\tb: 1"), "YamlSyntax");
    assert_eq!(refused("a: 'open"), "YamlSyntax");
    assert_eq!(refused("a: b: c"), "YamlSyntax");
}

#[test]
fn refuses_characters_that_nobody_sees() {
    for character in [
        '\0', '\u{1b}', '\u{7f}', '\u{9f}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{ffff}',
    ] {
        assert_eq!(
            refused(&format!("a: x{character}y")),
            "HiddenCharacter",
            "{character:?}"
        );
    }
    let folder = read(b"apiVersion: v1\nkind: \xff\n");
    assert_eq!(reasons(&folder), ["NotUtf8"]);
    assert_eq!(folder.findings[0].line, Some(2));
}

#[test]
fn a_byte_order_mark_windows_lines_and_empty_documents_do_no_harm() {
    let text = format!(
        "\u{feff}{}---\n# nothing\n---\n---\n...\n",
        GOOD.replace('\n', "\r\n")
    );
    let folder = read(text);
    assert_eq!(folder.findings, vec![]);
    assert_eq!(names(&folder), ["good"]);
}

#[test]
fn yes_and_no_are_explained() {
    let folder = read(GOOD.replace("a: b", "country: NO"));
    assert_eq!(reasons(&folder), ["TextOrBoolean"]);
    assert!(!folder.findings[0].is_error());
    assert_eq!(names(&folder), ["good"]);
}

#[test]
fn a_list_is_its_items() {
    let item = |name: &str| {
        format!(
            "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {{name: {name}, namespace: ns}}\n"
        )
    };
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}- 7\n{}",
        item("one"),
        item("two")
    );
    let folder = read(text);
    assert_eq!(names(&folder), ["one", "two"]);
    assert_eq!(reasons(&folder), ["NotAnObject"]);
    assert_eq!(folder.findings[0].line, Some(7));
    let lines: Vec<u32> = folder.namespaces[0]
        .objects
        .iter()
        .map(|o| o.source.line)
        .collect();
    assert_eq!(lines, [4, 8]);
}

#[test]
fn lines_and_columns_are_those_of_the_file() {
    let folder = read(format!("{GOOD}---\n\n# remark\na: 1\nbb: {{c: 1, c: 2}}\n"));
    let Finding { line, column, .. } = &folder.findings[0];
    assert_eq!((*line, *column), (Some(9), Some(12)));
}

#[test]
fn values_of_a_secret_are_in_no_message_and_no_debug_output() {
    const PLANTED: &str = "cGxhbnRlZA-planted";
    for text in [
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: ns}}\ndata: {{k: {PLANTED}}}\n"
        ),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: ns}}\nstringData: {{k: [{PLANTED}]}}\n"
        ),
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: ns}}\nstringData: {{k: {PLANTED}}}\nextra: {PLANTED}\n"
        ),
    ] {
        let checker = finp2p_operator::validate::Checker::new().unwrap();
        let folder = checker.read_paths(&[PathBuf::from("-")], text.as_bytes());
        assert!(!folder.findings.is_empty());
        assert!(!format!("{folder:?}").contains(PLANTED), "{folder:?}");
    }
    let folder = read(format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: ns}}\nstringData: {{k: {PLANTED}}}\n"
    ));
    assert!(!format!("{folder:?}").contains(PLANTED));
    let Manifest::Secret(secret) = &folder.namespaces[0].objects[0].manifest else {
        panic!("a Secret");
    };
    assert_eq!(secret.data["k"].as_slice(), PLANTED.as_bytes());
}

fn samples() -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crds/samples");
    [
        "shared_asset.yaml",
        "sharing_policy.yaml",
        "peer_organization.yaml",
        "local_organization.yaml",
    ]
    .iter()
    .map(|file| std::fs::read_to_string(root.join(file)).unwrap())
    .collect()
}

fn mutated() -> impl Strategy<Value = String> {
    let edits = proptest::collection::vec(
        (
            any::<proptest::sample::Index>(),
            0..6_u8,
            "\\PC|[-{}\\[\\]:,&*!|>'\"%@`# \n\t]",
        ),
        1..12,
    );
    (proptest::sample::select(samples()), edits).prop_map(|(text, edits)| {
        let mut characters: Vec<char> = text.chars().collect();
        for (index, edit, insert) in edits {
            let at = index.index(characters.len().max(1));
            match edit {
                0 => drop(characters.drain(at..(at + 7).min(characters.len()))),
                1 => characters.truncate(at.max(1)),
                2 => {
                    let copied: Vec<char> =
                        characters[at..(at + 40).min(characters.len())].to_vec();
                    characters.splice(at..at, copied);
                }
                _ => drop(characters.splice(at..at, insert.chars())),
            }
        }
        characters.into_iter().collect()
    })
}

/// What a reading says of everything but the document in the middle.
fn outside(folder: &Folder, from: u32, to: u32) -> (Vec<String>, Vec<Finding>) {
    let objects = folder
        .namespaces
        .iter()
        .flat_map(|n| &n.objects)
        .filter(|o| !(from..=to).contains(&o.source.line))
        .map(|o| format!("{:?} {:?}", o.id, o.manifest))
        .collect();
    let findings = folder
        .findings
        .iter()
        .filter(|f| !f.line.is_some_and(|line| (from..=to).contains(&line)))
        .cloned()
        .map(|mut finding| {
            finding.line = None;
            finding
        })
        .collect();
    (objects, findings)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_whatever_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let folder = read(bytes);
        prop_assert!(folder.cost.nodes <= 4_000);
    }

    #[test]
    fn no_text_of_yaml_characters_panics(text in "[-a{}\\[\\]:,&*!|>'\"%@`#?.0e \n\t~<]{0,300}") {
        let folder = read(&text);
        prop_assert!(folder.cost.nodes <= 2 * text.len() + 2);
    }

    #[test]
    fn no_mutated_sample_panics_in_any_check(text in mutated()) {
        let checker = checker();
        let folder = checker.read_paths(&[PathBuf::from("-")], text.as_bytes());
        for finding in &folder.findings {
            prop_assert!(!finding.message.is_empty() && !finding.cure.is_empty(), "{:?}", finding);
        }
    }

    #[test]
    fn a_bad_document_changes_nothing_about_the_others(middle in mutated()) {
        let before = format!("{GOOD}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: b, namespace: ns}}\ndata: [\n---\n");
        // In a namespace of their own, so that only the reading is compared and not their names.
        let after = format!("\n---\n{}---\n'", GOOD.replace("ns", "other"));
        let alone = read(format!("{before}# nothing{after}"));
        let start = u32::try_from(before.lines().count()).unwrap() + 1;
        let end = start + u32::try_from(middle.matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count()).unwrap();
        let together = read(format!("{before}{middle}{after}"));
        prop_assert_eq!(outside(&alone, start, start), outside(&together, start, end));
    }
}

fn checker() -> &'static finp2p_operator::validate::Checker {
    static CHECKER: std::sync::OnceLock<finp2p_operator::validate::Checker> =
        std::sync::OnceLock::new();
    CHECKER.get_or_init(|| finp2p_operator::validate::Checker::new().unwrap())
}
