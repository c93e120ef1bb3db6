//! A difference for people, for a review comment, and for programs.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::access::{Cause, Group};
use super::changed::What;
use super::compare::{AccessChange, Changes, Difference};
use super::pair::{PolicyRef, Row};
use super::reach::Right;
use super::scope::listed;
use super::world::{Place, Refused};
use crate::finding::is_hidden;

/// The shape of the JSON report.
pub const SCHEMA: &str = "finp2p.io/diff/v1";
/// Lines of one kind in a text: more than a person reads, and a terminal still scrolls.
const TEXT_MAX_LINES: usize = 500;
/// Bytes of a table and what stands around it: a review comment holds 65,536 characters.
const TABLE_MAX_BYTES: usize = 40_000;
/// Refused objects that a review comment lists.
const TABLE_MAX_REFUSED: usize = 20;
/// Characters of one name, pointer or sentence: the longest message is shorter.
const TEXT_MAX_CHARS: usize = 600;
/// Readers or resources that a line names before it counts.
const NAMES_SHOWN: usize = 4;

/// What `diff` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The moment that was judged from.
    pub now: Timestamp,
    /// One line that says it all.
    pub summary: String,
    /// The difference.
    #[serde(flatten)]
    pub difference: Difference,
}

/// A line of the report: what it is about, what there is, and how.
struct Line {
    subject: String,
    what: String,
    how: String,
}

/// How a user's text is written: for a terminal or for a table.
type Write = fn(&str) -> String;

impl Report {
    /// The report on a difference as of `now`.
    pub fn new(difference: Difference, now: Timestamp) -> Self {
        let summary = format!(
            "access gained: {}; lost: {}",
            counted(
                &difference.gained,
                ["demand on buyers lifted", "demands on buyers lifted"]
            ),
            counted(
                &difference.lost,
                ["demand on buyers added", "demands on buyers added"]
            )
        );
        Self {
            schema: SCHEMA,
            now,
            summary,
            difference,
        }
    }

    /// Whether anything is gained.
    pub fn widens(&self) -> bool {
        !self.difference.gained.is_empty()
    }

    /// As text: the summary, then `+` what is gained and `-` what is lost.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary);
        let directions = [("+", &self.difference.gained), ("-", &self.difference.lost)];
        for (sign, changes) in directions {
            let all = lines(changes, printable);
            for Line { subject, what, how } in all.iter().take(TEXT_MAX_LINES) {
                let _ = writeln!(text, "{sign} {subject}: {what}");
                if !how.is_empty() {
                    let _ = writeln!(text, "    {how}");
                }
            }
            left_out(&mut text, all.len(), TEXT_MAX_LINES, changes.omitted, sign);
        }
        for (refused, so) in self.refused() {
            let _ = writeln!(text, "refused on the newer side, so {so}:");
            for refused in refused.iter().take(TEXT_MAX_LINES) {
                let _ = writeln!(text, "! {}", told(refused, printable));
            }
            left_out(&mut text, refused.len(), TEXT_MAX_LINES, 0, "!");
        }
        for remark in &self.difference.remarks {
            let _ = writeln!(text, "note: {remark}");
        }
        text
    }

    /// As Markdown for a review comment: the summary in one line, then a table. At most 65,536
    /// characters.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n", self.summary);
        let directions = [
            ("gained", &self.difference.gained),
            ("lost", &self.difference.lost),
        ];
        if directions.iter().any(|(_, changes)| !changes.is_empty()) {
            text.push_str("\n| | who, on what | what | how |\n|---|---|---|---|\n");
        }
        let mut beyond = String::new();
        for (word, changes) in directions {
            let rows = lines(changes, code)
                .into_iter()
                .map(|Line { subject, what, how }| {
                    format!("| {word} | {subject} | {what} | {how} |\n")
                });
            let rows: Vec<String> = rows.collect();
            let mut shown = 0;
            for row in &rows {
                if text.len() + row.len() > TABLE_MAX_BYTES {
                    break;
                }
                text.push_str(row);
                shown += 1;
            }
            left_out(&mut beyond, rows.len(), shown, changes.omitted, word);
        }
        if !beyond.is_empty() {
            let _ = write!(text, "\n{beyond}");
        }
        for (refused, so) in self.refused() {
            let _ = write!(text, "\nRefused on the newer side, so {so}:\n");
            for refused in refused.iter().take(TABLE_MAX_REFUSED) {
                let _ = writeln!(text, "- {}", told(refused, code));
            }
            left_out(&mut text, refused.len(), TABLE_MAX_REFUSED, 0, "-");
        }
        for remark in &self.difference.remarks {
            let _ = writeln!(text, "\nNote: {}", code(remark));
        }
        text
    }

    /// The refused objects by what that means, each list with its words.
    fn refused(&self) -> impl Iterator<Item = (Vec<&Refused>, &'static str)> {
        let all = &self.difference.refused;
        let (kept, gone): (Vec<&Refused>, Vec<&Refused>) =
            all.iter().partition(|refused| refused.kept);
        let kept = (
            kept,
            "what the cluster holds under its name stays as it is, and is compared",
        );
        let lists = [(gone, "it counts as not there"), kept];
        lists.into_iter().filter(|(list, _)| !list.is_empty())
    }

    /// As JSON, one document with a newline.
    pub fn json(&self) -> Option<String> {
        serde_json::to_string_pretty(self)
            .ok()
            .map(|text| text + "\n")
    }
}

fn lines(changes: &Changes, write: Write) -> Vec<Line> {
    let access = changes
        .access
        .iter()
        .map(|change| access_line(change, write));
    let trust = changes.trust.iter().map(|change| {
        let own = if change.record == Place::Local {
            " (our own node)"
        } else {
            ""
        };
        Line {
            subject: format!("{}{own}", write(&change.organization)),
            what: write(&change.trust.phrase()),
            how: match change.namespaces.as_slice() {
                [_] | [] => String::new(),
                many => format!("in namespaces {}", listed(many, NAMES_SHOWN, write)),
            },
        }
    });
    let eligibility = changes.eligibility.iter().map(|change| Line {
        subject: write(&change.resource),
        what: write(&change.loosened.phrase()),
        how: String::new(),
    });
    access.chain(trust).chain(eligibility).collect()
}

fn access_line(change: &AccessChange, write: Write) -> Line {
    let Group {
        peers,
        resources,
        row,
        because,
    } = &change.group;
    let names = |names: &[String]| listed(names, NAMES_SHOWN, write);
    let absent = match change.unresolved.as_slice() {
        [] => String::new(),
        names => format!(" (not there yet: {})", listed(names, NAMES_SHOWN, write)),
    };
    Line {
        subject: format!("{} on {}{absent}", names(peers), names(resources)),
        what: row.fields.phrase("every field", write).to_string(),
        how: how(row, because, write),
    }
}

/// Rights, purposes, time, policies and causes, each a clause.
fn how(row: &Row, because: &[Cause], write: Write) -> String {
    let rights: Vec<&str> = row.rights.iter().map(|right| word(*right)).collect();
    let mut clauses = vec![
        rights.join(", "),
        format!("for {}", row.purposes.phrase("any purpose", write)),
    ];
    clauses.extend(row.from.map(|from| format!("from {from}")));
    clauses.extend(row.until.map(|until| format!("until {until}")));
    let named =
        |cause: &&Cause, policy: &PolicyRef| cause.name.as_deref() == Some(policy.name.as_str());
    let policies: Vec<String> = row
        .policies
        .iter()
        .map(|policy| {
            let differs = because.iter().find(|cause| named(cause, policy));
            let name = &policy.name;
            match (differs.map(|cause| state(cause.what)), &policy.change) {
                (Some(state), Some(change)) => format!("{name} ({state} with {change})"),
                (Some(state), None) => format!("{name} ({state})"),
                (None, Some(change)) => format!("{name} (change {change})"),
                (None, None) => name.clone(),
            }
        })
        .collect();
    if !policies.is_empty() {
        let word = if policies.len() == 1 {
            "policy"
        } else {
            "policies"
        };
        let named = listed(&policies, NAMES_SHOWN, write);
        clauses.push(format!("by {word} {named}"));
    }
    let others = because
        .iter()
        .filter(|cause| !row.policies.iter().any(|p| named(cause, p)));
    let causes: Vec<String> = others.map(cause).collect();
    if !causes.is_empty() {
        clauses.push(format!("because {}", listed(&causes, NAMES_SHOWN, write)));
    }
    clauses.join("; ")
}

fn cause(cause: &Cause) -> String {
    let subject = match (&cause.name, cause.kind) {
        (Some(name), "SharingPolicy") => format!("policy {name}"),
        (Some(name), _) => name.clone(),
        (None, "PeerOrganization") => "the peer".to_owned(),
        (None, _) => "the asset".to_owned(),
    };
    format!("{subject} is {}", state(cause.what))
}

/// How an object differs, after "is".
fn state(what: What) -> &'static str {
    match what {
        What::New => "new",
        What::Changed => "changed",
        What::Gone => "gone",
    }
}

/// A right as a word.
pub fn word(right: Right) -> &'static str {
    match right {
        Right::List => "see listed",
        Right::Fetch => "fetch",
        Right::Subscribe => "subscribe",
        Right::Redistribute => "pass on",
    }
}

fn told(refused: &Refused, write: Write) -> String {
    let place = refused
        .place
        .iter()
        .map(|place| format!("{}: ", write(place)));
    let name = match refused.namespace.as_str() {
        "" => refused.name.clone(),
        namespace => format!("{namespace}/{}", refused.name),
    };
    format!(
        "{}{} {}: {} [{}]",
        place.collect::<String>(),
        refused.kind,
        write(&name),
        write(&refused.message),
        refused.reason
    )
}

fn left_out(text: &mut String, all: usize, shown: usize, omitted: usize, sign: &str) {
    let more = all.saturating_sub(shown).saturating_add(omitted);
    if more > 0 {
        let _ = writeln!(text, "{sign} {more} more that are not shown here");
    }
}

/// A direction as a few words; `demand` and `demands` say what happened to one demand on buyers, and to several.
fn counted(changes: &Changes, [demand, demands]: [&str; 2]) -> String {
    let count = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let peers = count(changes.peers, "peer", "peers");
    let access = peers.zip(count(changes.resources, "asset", "assets"));
    let parts: Vec<String> = [
        access.map(|(peers, assets)| format!("{peers} on {assets}")),
        count(changes.trust.len(), "point of trust", "points of trust"),
        count(changes.eligibility.len(), demand, demands),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

/// A user's text on a terminal: short, and without anything that steers it.
pub(crate) fn printable(text: &str) -> String {
    let mut plain = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == TEXT_MAX_CHARS {
            plain.push('…');
            break;
        }
        if character.is_control() || is_hidden(character) {
            plain.extend(character.escape_unicode());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// A user's text in a table of a review comment: as code, so that nothing in it is a link, a
/// mention or markup.
pub(crate) fn code(text: &str) -> String {
    let plain = printable(text).replace('`', "'").replace('|', "\\|");
    format!("`{plain}`")
}
