//! Which fields a resource has. The node knows; files may tell; otherwise every field counts that
//! somebody names.

use std::collections::BTreeSet;

use finp2p_crds::CONTENT_LABEL;
use finp2p_crds::ResourceId;
use finp2p_crds::access::{Facts, is_at_or_below, selects, unit_of, units_of};
use finp2p_crds::shared_asset::Content;
use serde_json::Value;

use crate::manifest::{Keyed, Manifest, Namespace};

/// The fields that are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Units {
    /// Those of the content.
    Known(Vec<String>),
    /// Those that a policy, the asset or the question names: the content is not known here.
    Assumed {
        /// Their pointers; the last stands for every field that nobody names.
        units: Vec<String>,
        /// Why the content is not known.
        because: Unread,
    },
    /// No content is loaded.
    Missing,
}

/// Why the fields of a content are not known, each as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The content is somewhere else.
    Elsewhere(String),
    /// It is here and not to be read: a label or a key is missing.
    Refused(String),
    /// It is here, and no content.
    Invalid(String),
}

impl Unread {
    /// The end of a sentence.
    pub fn because(&self) -> &str {
        match self {
            Self::Elsewhere(because) | Self::Refused(because) | Self::Invalid(because) => because,
        }
    }
}

impl Units {
    /// Why no node takes the content, if it is here: the version before stays, where there was one.
    pub fn unusable(&self) -> Option<&str> {
        match self {
            Self::Assumed {
                because: Unread::Refused(because) | Unread::Invalid(because),
                ..
            } => Some(because),
            _ => None,
        }
    }

    /// As the access model takes them.
    pub fn known(&self) -> Option<&[String]> {
        match self {
            Self::Known(units) | Self::Assumed { units, .. } => Some(units),
            Self::Missing => None,
        }
    }

    /// The pointer that stands for every field that nobody names.
    pub fn rest(&self) -> Option<&str> {
        match self {
            Self::Assumed { units, .. } => units.last().map(String::as_str),
            Self::Known(_) | Self::Missing => None,
        }
    }

    /// What is judged when the content is not known.
    pub fn assumed(
        facts: &Facts,
        resource: &ResourceId,
        wanted: &[String],
        because: Unread,
    ) -> Self {
        let asset = facts.own_asset(resource).ok();
        let opened = asset
            .map(|a| a.payload.units.as_slice())
            .unwrap_or_default();
        let selecting = facts.policies().iter().filter(|policy| {
            let selection = policy.payload.spec.assets.as_ref().zip(asset);
            selection.is_some_and(|(s, asset)| selects(s, &asset.name, &asset.payload.labels))
        });
        let named = selecting.flat_map(|policy| policy.payload.spec.fields.iter().flatten());
        // A pointer into an object that stays closed names no unit of any content; what is asked
        // for is judged by the unit that discloses it.
        let named = named
            .map(String::as_str)
            .filter(|pointer| unit_of(opened, pointer) == *pointer);
        let wanted = wanted.iter().map(|pointer| unit_of(opened, pointer));
        let all: BTreeSet<&str> = named.chain(wanted).collect();
        // A field around another one is an object with that field in it.
        let around = |unit: &str| {
            all.iter()
                .any(|other| *other != unit && is_at_or_below(other, unit))
        };
        let units: Vec<String> = all
            .iter()
            .filter(|unit| !around(unit))
            .map(|unit| (*unit).to_owned())
            .collect();
        let mut rest = "/*".to_owned();
        while units.iter().any(|unit| unit.starts_with(&rest)) {
            rest.push('*');
        }
        Self::Assumed {
            units: units.into_iter().chain([rest]).collect(),
            because,
        }
    }
}

/// The fields of an asset whose content is among files.
///
/// # Errors
/// Why they are not known.
pub fn of_files(
    namespace: &Namespace,
    content: Option<&Content>,
    opened: &[String],
) -> Result<Vec<String>, Unread> {
    let elsewhere = |because: &str| Unread::Elsewhere(because.to_owned());
    let Some(Content {
        secret, config_map, ..
    }) = content
    else {
        return Err(elsewhere("it has no content of its own"));
    };
    let (kind, reference) = match (secret, config_map) {
        (Some(key), _) => ("Secret", key),
        (None, Some(key)) => ("ConfigMap", key),
        (None, None) => return Err(elsewhere("programs write it through the local API")),
    };
    let name = &reference.name;
    let keyed = namespace
        .objects
        .iter()
        .find_map(|object| match (&object.manifest, kind) {
            (Manifest::Secret(keyed), "Secret") | (Manifest::ConfigMap(keyed), "ConfigMap") => {
                (keyed.name == *name).then_some(keyed)
            }
            _ => None,
        });
    let keyed: &Keyed =
        keyed.ok_or_else(|| elsewhere(&format!("{kind} {name} is not among the files")))?;
    if keyed.labels.get(CONTENT_LABEL).map(String::as_str) != Some("true") {
        return Err(Unread::Refused(format!(
            "{kind} {name} has no label {CONTENT_LABEL}: \"true\", so nodes do not take it"
        )));
    }
    let key = &reference.key;
    let bytes = keyed
        .data
        .get(key)
        .ok_or_else(|| Unread::Refused(format!("{kind} {name} has no key {key}")))?;
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(units_of(&members, opened)),
        _ => Err(Unread::Invalid(format!(
            "key {key} of {kind} {name} is no JSON object, so nodes do not take it"
        ))),
    }
}
