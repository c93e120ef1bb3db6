//! An explanation for people and for programs.

use std::fmt::Write as _;

use finp2p_crds::access::{Operation, Shortfall};
use finp2p_crds::sharing_policy::Mode;
use jiff::Timestamp;
use serde::Serialize;

use super::content::Units;
use super::policy::{Line, Word};
use super::sentence::{self, Told};
use super::{Explanation, reason_word};
use crate::diff::report::printable;
use crate::diff::world::{Refused, World};

/// The shape of the JSON report.
pub const SCHEMA: &str = "finp2p.io/explain/v1";
/// The reason of a refusal that comes before policies: no root key opens a session.
const NO_VALID_KEY: &str = "NoValidKey";
/// What the peer is told then; the wire has one code for every cause.
const AUTHENTICATION: &str = "Authentication";
/// Policies that are listed; those that grant come first.
const POLICIES_SHOWN: usize = 100;

/// What `explain` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Organization id of the reader.
    pub requester: String,
    /// The resource.
    pub resource: String,
    /// The moment that was judged at.
    pub at: Timestamp,
    /// `fetch` or `subscribe`.
    pub operation: &'static str,
    /// The purpose that the request names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The fields that were asked for; empty: whatever may be had.
    pub wanted: Vec<String>,
    /// Whether it is granted.
    pub verdict: Verdict,
    /// Why it is refused, as one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The word that the peer is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<&'static str>,
    /// Why it is refused, or undecided, in a sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What would mend it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cure: String,
    /// The fields that are disclosed.
    pub fields: Vec<String>,
    /// Whether every field that nobody names is disclosed too (where the content is not known).
    pub every_other_field: bool,
    /// What the reader is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// What each policy says.
    pub policies: Vec<Policy>,
    /// Policies that select one of the parties and are not listed.
    pub omitted: usize,
    /// Policies that select neither party.
    pub unrelated: usize,
    /// What only the running node knows, or what else must hold.
    pub depends: Vec<String>,
}

/// Whether the reader may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may.
    Granted,
    /// It may not.
    Refused,
    /// It may by the manifests; the node also asks what it had before it went back in time, or takes no
    /// such content.
    Undecided,
}

impl Verdict {
    fn of(is_granted: bool, is_in_doubt: bool) -> Self {
        match (is_granted, is_in_doubt) {
            (true, false) => Self::Granted,
            (true, true) => Self::Undecided,
            // What one of the two does not grant is granted by neither together.
            (false, _) => Self::Refused,
        }
    }

    /// What `explain` ends with. Neither who waits for "granted" nor who makes sure of "refused" may
    /// take "undecided" for it.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Granted => 0,
            Self::Refused => 2,
            Self::Undecided => 3,
        }
    }
}

/// What the reader is bound to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// How it may be had.
    pub modes: Vec<Mode>,
    /// What it may be used for; absent: for anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purposes: Option<Vec<String>>,
    /// When the first field stops being granted; absent: none does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Whether it may be passed on.
    pub redistribute: bool,
}

/// What one policy says.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Name.
    pub name: String,
    /// Generation; absent for files, which have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Commit or ticket behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// One word: `Grants`, or what it lacks.
    pub says: &'static str,
    /// The fields that it opens for this request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// In words.
    pub why: String,
    /// What would make it grant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cure: String,
}

impl Report {
    /// The report on an explanation; `numbered` says whether generations mean anything,
    /// `rolled_back` what the node says of a configuration that went back in time.
    pub fn new(
        world: &World,
        explanation: &Explanation,
        numbered: bool,
        rolled_back: Option<&str>,
    ) -> Self {
        let Explanation {
            asked,
            verdict,
            no_session,
            policies,
            unrelated,
            units,
        } = explanation;
        let rest = units.rest();
        let named = |fields: &[String]| -> Vec<String> {
            fields
                .iter()
                .filter(|field| Some(field.as_str()) != rest)
                .cloned()
                .collect()
        };
        let access = verdict.as_ref().ok().filter(|_| no_session.is_none());
        let refusal = verdict.as_ref().err();
        let Told { why, cure } = match (no_session, refusal, &world.facts) {
            // A node finds this out before it looks at policies, so it is what has to be mended first.
            (Some(told), _, _) => told.clone(),
            (None, Some(refusal), Some(facts)) => {
                sentence::refusal(world, facts, explanation, refusal)
            }
            _ => {
                let unusable = || units.unusable().map(without_content);
                let doubt = rolled_back.map(undecided).or_else(unusable);
                doubt.unwrap_or_default()
            }
        };
        let granted = access
            .map(|access| access.units.as_slice())
            .unwrap_or_default();
        let lines = policies.iter().take(POLICIES_SHOWN);
        let mut said: Vec<Policy> = lines
            .map(|line| policy(explanation, line, numbered, &named))
            .collect();
        said.extend(refused_policies(world));
        Self {
            schema: SCHEMA,
            requester: asked.requester.clone(),
            resource: asked.resource.to_string(),
            at: asked.now,
            operation: match asked.operation {
                Operation::Fetch => "fetch",
                Operation::Subscribe => "subscribe",
            },
            purpose: asked.purpose.clone(),
            wanted: asked.wanted.clone(),
            verdict: Verdict::of(
                explanation.is_granted(),
                rolled_back.is_some() || units.unusable().is_some(),
            ),
            reason: match no_session {
                Some(_) => Some(NO_VALID_KEY),
                None => refusal.map(|refusal| reason_word(refusal.reason)),
            },
            told: match (no_session, refusal) {
                // So is whoever is unknown or suspended, before policies are asked.
                (Some(_), _) => Some(AUTHENTICATION),
                (None, Some(refusal)) if refusal.requester.is_some() => Some(AUTHENTICATION),
                (None, refusal) => refusal.map(|refusal| reason_word(refusal.told)),
            },
            why,
            cure,
            fields: named(granted),
            every_other_field: granted.iter().any(|field| Some(field.as_str()) == rest),
            terms: access.map(|access| Terms {
                modes: access.terms.modes.clone(),
                purposes: access.terms.purposes.clone(),
                expires: access.terms.expires,
                redistribute: access.terms.redistribute,
            }),
            policies: said,
            omitted: policies.len().saturating_sub(POLICIES_SHOWN),
            unrelated: *unrelated,
            depends: depends(world, explanation, rolled_back),
        }
    }

    /// As JSON, one document with a newline.
    pub fn json(&self) -> Option<String> {
        serde_json::to_string_pretty(self)
            .ok()
            .map(|text| text + "\n")
    }

    /// As text: the verdict first.
    pub fn text(&self) -> String {
        let mut text = self.headline();
        if let Some(terms) = &self.terms {
            let _ = writeln!(text, "  fields: {}", self.field_list());
            let _ = writeln!(text, "  terms: {}", terms.phrase());
        }
        if !self.why.is_empty() {
            let _ = writeln!(text, "  why: {}", printable(&self.why));
        }
        if !self.cure.is_empty() {
            let _ = writeln!(text, "  to mend it: {}", printable(&self.cure));
        }
        if let Some(told) = self.told {
            let _ = writeln!(text, "  the peer is told: {told}");
        }
        if !self.policies.is_empty() {
            text.push_str("policies\n");
        }
        for policy in &self.policies {
            let _ = writeln!(text, "  {}", policy.line());
        }
        if self.omitted > 0 {
            let _ = writeln!(text, "    {} more that select one of the two", self.omitted);
        }
        if self.unrelated > 0 {
            let _ = writeln!(text, "    {} that select neither", self.unrelated);
        }
        text.push_str("this depends on\n");
        for depends in &self.depends {
            let _ = writeln!(text, "  {}", printable(depends));
        }
        text
    }

    fn headline(&self) -> String {
        let (verdict, may) = match self.verdict {
            Verdict::Granted => ("granted:", "may"),
            Verdict::Refused => ("refused:", "may not"),
            Verdict::Undecided => ("undecided: by the manifests", "may"),
        };
        let what = match self.wanted.as_slice() {
            [] => String::new(),
            wanted => format!("{} of ", wanted.join(", ")),
        };
        let purpose = self.purpose.iter().map(|purpose| format!(" for {purpose}"));
        let sentence = format!(
            "{verdict} {} {may} {} {what}{}{}",
            self.requester,
            self.operation,
            self.resource,
            purpose.collect::<String>()
        );
        format!("{} at {}\n", printable(&sentence), self.at)
    }

    fn field_list(&self) -> String {
        let listed = self.fields.iter().map(|field| printable(field));
        let rest = self
            .every_other_field
            .then(|| "every other field".to_owned());
        match (self.fields.is_empty(), rest) {
            (true, Some(_)) => "every field".to_owned(),
            (_, rest) => listed.chain(rest).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Terms {
    fn phrase(&self) -> String {
        let mut clauses = vec![if self.modes.contains(&Mode::Push) {
            "fetched, or kept as a replica".to_owned()
        } else {
            "fetched each time".to_owned()
        }];
        clauses.push(match &self.purposes {
            None => "for any purpose".to_owned(),
            Some(purposes) => format!("for {}", purposes.join(", ")),
        });
        clauses.push(
            if self.redistribute {
                "may be passed on"
            } else {
                "not to be passed on"
            }
            .to_owned(),
        );
        clauses.extend(self.expires.map(|end| format!("until {end}")));
        clauses.join("; ")
    }
}

impl Policy {
    fn line(&self) -> String {
        let sign = if self.says == "Grants" { "+" } else { "-" };
        let marks: Vec<String> = [
            self.generation
                .map(|generation| format!("generation {generation}")),
            self.change
                .as_ref()
                .map(|change| format!("change {}", printable(change))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let marks = if marks.is_empty() {
            String::new()
        } else {
            format!(" ({})", marks.join(", "))
        };
        let fields: Vec<String> = self.fields.iter().map(|field| printable(field)).collect();
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!(" {}", fields.join(", "))
        };
        let cure = if self.cure.is_empty() {
            String::new()
        } else {
            format!(" [{}]", printable(&self.cure))
        };
        format!(
            "{sign} {}{marks}: {}{fields}{cure}",
            self.name,
            printable(&self.why)
        )
    }
}

fn policy(
    explanation: &Explanation,
    line: &Line,
    numbered: bool,
    named: &impl Fn(&[String]) -> Vec<String>,
) -> Policy {
    let Told { mut why, cure } = sentence::policy(&explanation.asked, line);
    let fields = match &line.word {
        Word::Grants(fields) => fields.as_slice(),
        _ => &[],
    };
    let rest = explanation.units.rest();
    if fields.iter().any(|field| Some(field.as_str()) == rest) {
        why.push_str(" every field");
    }
    Policy {
        name: line.name.clone(),
        generation: numbered.then_some(line.generation),
        change: line.change.clone(),
        says: says(&line.word),
        fields: named(fields),
        why,
        cure,
    }
}

fn says(word: &Word) -> &'static str {
    match word {
        Word::Grants(_) => "Grants",
        Word::Barred => "Barred",
        Word::Waits => "NoContent",
        Word::NotThisPeer => "NotThisPeer",
        Word::NotThisAsset => "NotThisAsset",
        Word::Lacks(Shortfall::Malformed) => "Malformed",
        Word::Lacks(Shortfall::NotYetSupported(_)) => "NotYetSupported",
        Word::Lacks(Shortfall::NotYetValid) => "NotYetValid",
        Word::Lacks(Shortfall::Expired) => "Expired",
        Word::Lacks(Shortfall::Mode) => "Mode",
        Word::Lacks(Shortfall::Purpose) => "Purpose",
        Word::Lacks(Shortfall::Fields) => "Fields",
    }
}

/// Policies that validation refuses: the node never sees them.
fn refused_policies(world: &World) -> impl Iterator<Item = Policy> {
    let refused = world
        .refused
        .iter()
        .filter(|refused| refused.kind == "SharingPolicy");
    refused.take(POLICIES_SHOWN).map(
        |Refused {
             name,
             reason,
             message,
             ..
         }| Policy {
            name: name.clone(),
            generation: None,
            change: None,
            says: "NotAccepted",
            fields: Vec::new(),
            why: format!("is not accepted [{reason}]: {message}"),
            cure: String::new(),
        },
    )
}

/// What is granted by the manifests while the node is in roll-back.
fn undecided(said: &str) -> Told {
    Told {
        why: "the node's configuration went back in time (ConfigurationRolledBack): the manifests grant it, and the node serves it only if the configuration that it had before grants it as well".to_owned(),
        cure: format!("say whether the older configuration is meant. The node: {said}"),
    }
}

/// What is granted by the manifests while nodes do not take the content.
fn without_content(because: &str) -> Told {
    Told {
        why: format!(
            "the manifests grant it, and {because}: what is served is the version before, if this node had one"
        ),
        cure: "mend the content".to_owned(),
    }
}

/// What only the running node knows, and what a request must pass before policies are asked.
fn depends(world: &World, explanation: &Explanation, rolled_back: Option<&str>) -> Vec<String> {
    let asked = &explanation.asked;
    let mut depends = Vec::new();
    if let Units::Assumed { because, .. } = &explanation.units {
        depends.push(format!(
            "which fields the content has: not known here, because {}",
            because.because()
        ));
    }
    depends.push(match (rolled_back, explanation.is_granted()) {
        (Some(said), false) => format!(
            "the node: it is in roll-back (ConfigurationRolledBack), so what is mended here counts once that has ended. It says: {said}"
        ),
        (Some(_), true) => {
            "the node: the configuration that it had before grants it too, or somebody accepts this one; and the content is loaded".to_owned()
        }
        (None, _) => {
            "the node: it has applied this configuration, and the content is loaded".to_owned()
        }
    });
    let facts = world.facts.as_ref();
    let is_reader = facts.is_some_and(|facts| facts.reader(&asked.requester).is_ok());
    if is_reader && explanation.no_session.is_none() {
        depends.push(
            "the request's signature: it leads to a root key in the requester's record".to_owned(),
        );
    }
    depends
}
