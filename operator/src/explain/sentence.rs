//! Reasons and cures in words.

use std::collections::BTreeSet;

use finp2p_crds::access::{
    Facts, Reason, Refusal, RequesterFault, ResourceFault, Shortfall, is_at_or_below, unit_of,
};
use finp2p_crds::sharing_policy::{Mode, SharingPolicySpec};

use super::policy::{Line, Word};
use super::{Asked, Explanation};
use crate::diff::world::{Refused, World};

/// Distance at which a name is taken for a slip of the other one: two or three letters.
const SIMILAR: f64 = 0.8;

/// A sentence that says why, and one that says what would mend it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Why it is so.
    pub why: String,
    /// What would mend it; empty when nothing need be mended.
    pub cure: String,
}

fn told(why: impl Into<String>, cure: impl Into<String>) -> Told {
    Told {
        why: why.into(),
        cure: cure.into(),
    }
}

/// Why nothing is disclosed, and what would change that: of several reasons the first one that
/// has to be mended.
pub fn refusal(world: &World, facts: &Facts, explanation: &Explanation, refusal: &Refusal) -> Told {
    let asked = &explanation.asked;
    if let Some(fault) = refusal.requester {
        return requester(world, facts, asked, fault);
    }
    if let Some(fault) = refusal.resource {
        return resource(world, facts, asked, fault);
    }
    match refusal.reason {
        Reason::NotShared => not_shared(facts, explanation),
        Reason::Purpose => purpose(explanation),
        Reason::Fields => fields(facts, explanation),
        Reason::NoContent => told(
            "everything asked for could be granted, but no content is loaded",
            "give the asset its content",
        ),
    }
}

fn requester(world: &World, facts: &Facts, asked: &Asked, fault: RequesterFault) -> Told {
    let id = &asked.requester;
    let record = facts
        .peers()
        .iter()
        .find(|peer| peer.payload.organization_id == *id);
    let name = record.map_or(id.as_str(), |record| record.name.as_str());
    match fault {
        RequesterFault::Local => told(
            format!("{id} is the organization itself, and no peer of its own"),
            "its own programs read through the local API, with the verb ReadAssets",
        ),
        RequesterFault::Unknown => {
            let refused = refused(world, "PeerOrganization", |refused| refused.name == *id);
            let known = facts
                .peers()
                .iter()
                .map(|peer| peer.payload.organization_id.as_str());
            let cure = "apply its public record: finp2p-operator export prints it at that bank";
            refused.unwrap_or_else(|| {
                told(
                    format!(
                        "no PeerOrganization here has the id {id}{}",
                        similar(id, known)
                    ),
                    cure,
                )
            })
        }
        RequesterFault::Disputed => told(
            format!(
                "more than one PeerOrganization claims the id or the name of {id}: none is believed"
            ),
            "keep one of them",
        ),
        RequesterFault::NoKeys => told(
            format!("PeerOrganization {name} has no root keys: an issuer reads nothing"),
            "add the keys of its node, if it has one",
        ),
        RequesterFault::Suspended => told(
            format!(
                "PeerOrganization {name} is suspended: nothing is exchanged with it, whatever policies say"
            ),
            format!("remove suspended from PeerOrganization {name} once its reason is gone"),
        ),
    }
}

fn resource(world: &World, facts: &Facts, asked: &Asked, fault: ResourceFault) -> Told {
    let id = &asked.resource;
    match fault {
        ResourceFault::AnotherPrimary => told(
            format!(
                "{} is the Primary of {id}, and only its node decides",
                id.organization()
            ),
            format!("explain it with the manifests of {}", id.organization()),
        ),
        ResourceFault::NotAnAsset => told(
            format!("{id} is no asset (type 102): this version shares nothing else"),
            "",
        ),
        ResourceFault::Unknown => {
            let named = |refused: &Refused| refused.name == id.id();
            refused(world, "SharedAsset", named).unwrap_or_else(|| {
                let ids: Vec<String> = facts
                    .own_assets(None)
                    .map(|(id, _)| id.to_string())
                    .collect();
                let known = ids.iter().map(String::as_str);
                told(
                    format!(
                        "no SharedAsset here is {id}{}",
                        similar(&id.to_string(), known)
                    ),
                    "add the SharedAsset, or correct its assetId (without one its name counts)",
                )
            })
        }
        ResourceFault::Disputed => told(
            format!("more than one SharedAsset claims {id} or its name: none is believed"),
            "keep one of them",
        ),
    }
}

/// What validation says of an object that is there and refused.
fn refused(world: &World, kind: &str, is_meant: impl Fn(&Refused) -> bool) -> Option<Told> {
    let mut all = world.refused.iter().filter(|refused| refused.kind == kind);
    let refused = all.find(|refused| is_meant(refused))?;
    Some(told(
        format!(
            "{kind} {} is there and refused [{}]",
            refused.name, refused.reason
        ),
        refused.message.clone(),
    ))
}

fn similar<'n>(to: &str, names: impl Iterator<Item = &'n str>) -> String {
    let scored = names.map(|name| (strsim::jaro_winkler(to, name), name));
    let near = scored.filter(|(score, _)| *score >= SIMILAR);
    let best = near.max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, name)| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

fn not_shared(facts: &Facts, explanation: &Explanation) -> Told {
    let asked = &explanation.asked;
    let selecting = |line: &&Line| matches!(line.word, Word::Lacks(_));
    let lacking: Vec<&Line> = explanation.policies.iter().filter(selecting).collect();
    if let [line, ..] = lacking.as_slice() {
        let Told { cure, .. } = policy(asked, line);
        return told(
            "the policies that select both grant nothing for this: see each of them",
            format!("for example in {}: {cure}", line.name),
        );
    }
    let peer = facts
        .reader(&asked.requester)
        .map_or(asked.requester.as_str(), |p| &p.name);
    let asset = facts
        .own_asset(&asked.resource)
        .map_or("the asset", |a| &a.name);
    told(
        format!("no policy selects both PeerOrganization {peer} and SharedAsset {asset}"),
        format!(
            "write a SharingPolicy whose peers select {peer} and whose assets select {asset}, or extend one below"
        ),
    )
}

fn purpose(explanation: &Explanation) -> Told {
    let lacking = explanation.policies.iter();
    let lacking = lacking.filter(|line| line.word == Word::Lacks(Shortfall::Purpose));
    let named = match &explanation.asked.purpose {
        Some(purpose) => format!("for the purpose {purpose}"),
        None => "for a request that names no purpose".to_owned(),
    };
    told(
        format!("no policy that selects both grants {named}"),
        format!(
            "{} (a program: \"purpose\" in the body of /v1/fetch)",
            ask_for(lacking.map(|line| &line.policy.payload.spec))
        ),
    )
}

/// What to type for a purpose that one of these policies is for.
fn ask_for<'s>(policies: impl Iterator<Item = &'s SharingPolicySpec>) -> String {
    let purposes: BTreeSet<&String> = policies
        .flat_map(|spec| spec.purposes.iter().flatten())
        .collect();
    let flags: Vec<String> = purposes
        .into_iter()
        .map(|purpose| format!("--purpose {purpose}"))
        .collect();
    format!("ask with {}", flags.join(" or "))
}

/// What would open a field: the purpose of a policy that does, or another policy.
fn ungranted(explanation: &Explanation, unit: &str) -> String {
    let opens = |spec: &SharingPolicySpec| {
        let mut fields = spec.fields.iter().flatten();
        spec.all_fields == Some(true) || fields.any(|field| is_at_or_below(unit, field))
    };
    let mut for_another = explanation
        .policies
        .iter()
        .filter(|line| line.word == Word::Lacks(Shortfall::Purpose))
        .map(|line| &line.policy.payload.spec)
        .filter(|spec| opens(spec))
        .peekable();
    match for_another.peek() {
        Some(_) => format!("{}, or do not ask for {unit}", ask_for(for_another)),
        None => {
            format!("do not ask for it, or add {unit} to the fields of a policy that selects both")
        }
    }
}

fn fields(facts: &Facts, explanation: &Explanation) -> Told {
    let asked = &explanation.asked;
    let units = explanation.units.known().unwrap_or_default();
    let opened = facts.own_asset(&asked.resource);
    let opened = opened
        .map(|asset| asset.payload.units.as_slice())
        .unwrap_or_default();
    let granted = |unit: &String| {
        explanation
            .policies
            .iter()
            .any(|line| matches!(&line.word, Word::Grants(fields) if fields.contains(unit)))
    };
    for pointer in &asked.wanted {
        let below: Vec<&String> = units
            .iter()
            .filter(|unit| is_at_or_below(unit, pointer))
            .collect();
        if below.is_empty() {
            return nothing_there(opened, pointer);
        }
        if let Some(unit) = below.into_iter().find(|unit| !granted(unit)) {
            return told(
                format!(
                    "{unit} is opened by no policy that is satisfied; a request gets all it asks for, or nothing"
                ),
                ungranted(explanation, unit),
            );
        }
    }
    told(
        "the policies that are satisfied open no field that the content has",
        "correct their fields: a pointer opens what is at or below it, and of an object that the asset does not open (units) only the whole",
    )
}

fn nothing_there(opened: &[String], pointer: &str) -> Told {
    match unit_of(opened, pointer) {
        whole if whole != pointer => told(
            format!(
                "{pointer} is inside {whole}, which the asset does not open: it is granted as a whole"
            ),
            format!("ask for {whole}, or add {whole} to units of the asset"),
        ),
        _ => told(
            format!(
                "{pointer} names nothing in the content, which is refused like what is not granted"
            ),
            "correct the pointer, or ask without --unit for whatever may be had",
        ),
    }
}

/// What one policy says, and what would make it grant.
pub fn policy(asked: &Asked, line: &Line) -> Told {
    let spec = &line.policy.payload.spec;
    match &line.word {
        Word::Grants(_) => told("grants", ""),
        Word::NotThisPeer => told("selects the asset, and not this peer", "extend its peers"),
        Word::NotThisAsset => told("selects the peer, and not this asset", "extend its assets"),
        Word::Barred => told("selects both, and would grant", ""),
        Word::Waits => told("selects both, and grants once content is loaded", ""),
        Word::Lacks(shortfall) => lacks(asked, spec, shortfall),
    }
}

fn lacks(asked: &Asked, spec: &SharingPolicySpec, shortfall: &Shortfall) -> Told {
    let time = |end: &Option<_>| -> String {
        let end: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Time> = end.as_ref();
        end.map(|end| end.0.to_string()).unwrap_or_default()
    };
    match shortfall {
        Shortfall::Malformed => told(
            "is not whole",
            "write exactly one of assets and users, and of fields and allFields: true",
        ),
        Shortfall::NotYetSupported(fields) => told(
            format!(
                "sets {}, which this version does not enforce",
                fields.join(", ")
            ),
            "remove them if you can do without",
        ),
        Shortfall::NotYetValid => told(
            format!("grants nothing before {}", time(&spec.not_before)),
            "an earlier notBefore",
        ),
        Shortfall::Expired => told(
            format!("grants nothing since {}", time(&spec.not_after)),
            "a later notAfter",
        ),
        Shortfall::Mode => told(
            "lets the peer fetch and not subscribe",
            match spec.mode {
                Mode::Pull => "mode: Push",
                Mode::Push => "",
            },
        ),
        Shortfall::Purpose => {
            let purposes = spec.purposes.as_deref().unwrap_or_default().join(", ");
            let named = match &asked.purpose {
                Some(purpose) => format!("not for {purpose}"),
                None => "and the request names none".to_owned(),
            };
            told(
                format!("is for {purposes}, {named}"),
                ask_for(std::iter::once(spec)),
            )
        }
        Shortfall::Fields => told(
            "is satisfied, and opens nothing of what was judged",
            "correct its fields, or the units of the asset",
        ),
    }
}
