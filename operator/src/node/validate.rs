//! What each object is, and what is wrong with it.
//!
//! A refusal takes an object out of the configuration and waits for its next edit
//! (`Accepted=False`). An unresolved name leaves the object in: what it names grants nothing,
//! the rest works (`ResolvedRefs=False`). Neither touches another object.
//!
//! [`organization`] decides the local organization and the role of every record; [`asset`] and
//! [`policy`] look their names up in its result; [`content`] leaves out what a node does not read;
//! [`annotation`] knows those that do nothing.

pub mod annotation;
pub mod asset;
pub mod content;
pub mod organization;
pub mod policy;

use std::collections::BTreeMap;

use finp2p_crds::condition::reasons;
use finp2p_crds::peer_organization::{Node, Role};
use finp2p_crds::resource_id::ResourceId;
use finp2p_crds::{PeerOrganization, SharedAsset, SharingPolicy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::inputs::{Age, Inputs};
use super::plan::owned::Parts;

/// Why something is as it is: one word for programs, one sentence for people that says how to
/// mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One of [`finp2p_crds::condition::reasons`].
    pub reason: &'static str,
    /// One sentence or two; no private data.
    pub message: String,
}

impl Finding {
    /// A finding.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// What identifies an object, and what was found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Name.
    pub name: String,
    /// Uid; `namespace/name` for an object that has none.
    pub uid: String,
    /// Generation of its spec.
    pub generation: i64,
    /// Its place in the order of age.
    pub age: Age,
    /// Why it is out of the configuration.
    pub refused: Option<Finding>,
    /// Which of its names lead nowhere.
    pub unresolved: Option<Finding>,
    /// What is worth saying although nothing is wrong.
    pub remark: Option<Finding>,
    /// What to say beside all that, as a clause: the object works as if it were not there.
    pub aside: Option<String>,
}

impl Verdict {
    fn new(namespace: &str, metadata: &ObjectMeta, age: &Age) -> Self {
        let name = metadata.name.clone().unwrap_or_default();
        Self {
            aside: annotation::idle(metadata.annotations.as_ref(), false),
            uid: metadata
                .uid
                .clone()
                .unwrap_or_else(|| format!("{namespace}/{name}")),
            generation: metadata.generation.unwrap_or(1),
            name,
            age: age.clone(),
            refused: None,
            unresolved: None,
            remark: None,
        }
    }

    /// By name; of several manifests that bear one, the oldest first.
    fn order(&self) -> (&str, &Age) {
        (&self.name, &self.age)
    }

    /// Whether the object takes part.
    pub fn is_accepted(&self) -> bool {
        self.refused.is_none()
    }
}

/// A PeerOrganization and its part in the namespace.
#[derive(Clone, Debug)]
pub struct Organization<'a> {
    /// The object.
    pub object: &'a PeerOrganization,
    /// Its id on the network.
    pub id: String,
    /// What it is to the namespace.
    pub role: Role,
    /// What was found.
    pub verdict: Verdict,
}

/// A SharedAsset and its id on the network.
#[derive(Clone, Debug)]
pub struct Asset<'a> {
    /// The object.
    pub object: &'a SharedAsset,
    /// Its id; `None` while its Primary is not known.
    pub resource_id: Option<ResourceId>,
    /// Organization id of the peer that `from` names, where it resolves.
    pub peer: Option<String>,
    /// Whether the node does not read its content, because older assets name as much as it reads.
    pub content_left_out: bool,
    /// What was found.
    pub verdict: Verdict,
}

/// A SharingPolicy.
#[derive(Clone, Debug)]
pub struct Policy<'a> {
    /// The object.
    pub object: &'a SharingPolicy,
    /// What was found.
    pub verdict: Verdict,
}

/// The organization that this namespace runs a node for.
#[derive(Clone, Debug)]
pub struct Local<'a> {
    /// The object with `node`.
    pub object: &'a PeerOrganization,
    /// What `node` says.
    pub node: &'a Node,
    /// Name of the object.
    pub name: String,
    /// Uid of the object.
    pub uid: String,
    /// Its id on the network.
    pub id: String,
    /// The consortium's record beside it, if there is one.
    pub record: Option<&'a PeerOrganization>,
}

impl Local<'_> {
    /// Serials of our own certificates that are revoked, in either of the two records.
    pub fn revokes(&self, serial: u64) -> bool {
        let lists = [Some(self.object), self.record];
        lists.into_iter().flatten().any(|record| {
            record
                .spec
                .revoked_serials
                .iter()
                .any(|&revoked| u64::try_from(revoked) == Ok(serial))
        })
    }

    /// The root keys of this organization: its own list, or the consortium's when it has none.
    pub fn keys(&self) -> &[finp2p_crds::peer_organization::RootKey] {
        match self.record {
            Some(record) if self.object.spec.keys.is_empty() => &record.spec.keys,
            _ => &self.object.spec.keys,
        }
    }
}

/// Every object of the namespace, each list by name.
#[derive(Clone, Debug)]
pub struct Validated<'a> {
    /// The local organization, or why there is none.
    pub local: Result<Local<'a>, Finding>,
    /// What its node needs of a cluster, as far as that may fail; `None` without a local organization.
    pub parts: Option<Parts>,
    /// PeerOrganizations.
    pub organizations: Vec<Organization<'a>>,
    /// SharedAssets.
    pub assets: Vec<Asset<'a>>,
    /// SharingPolicies.
    pub policies: Vec<Policy<'a>>,
}

/// Looks at every object of the namespace. The order of the inputs has no meaning.
pub fn validate(inputs: &Inputs) -> Validated<'_> {
    let (local, parts, organizations) = organization::all(inputs);
    let by_name = Names::new(&organizations);
    let assets = asset::all(inputs, local.as_ref().ok(), &by_name);
    let policies = policy::all(inputs, &assets, &by_name);
    Validated {
        local,
        parts,
        organizations,
        assets,
        policies,
    }
}

/// PeerOrganizations by name.
pub struct Names<'a, 'o>(BTreeMap<&'o str, &'o Organization<'a>>);

impl<'a, 'o> Names<'a, 'o> {
    fn new(organizations: &'o [Organization<'a>]) -> Self {
        Self(
            organizations
                .iter()
                .map(|o| (o.verdict.name.as_str(), o))
                .collect(),
        )
    }

    /// Every peer that runs a node.
    fn peers(&self) -> impl Iterator<Item = &'o Organization<'a>> {
        let all = self.0.values().copied();
        all.filter(|o| o.role == Role::Peer && o.verdict.is_accepted())
    }

    /// The peer of this name that runs a node, or why there is none, as the end of a sentence.
    fn peer(&self, name: &str) -> Result<&'o Organization<'a>, String> {
        match self.0.get(name).copied() {
            None => Err(format!("{name} does not exist")),
            Some(o) if !o.verdict.is_accepted() => Err(format!("{name} is not accepted")),
            Some(o) => match o.role {
                Role::Peer => Ok(o),
                Role::Issuer => Err(format!("{name} is an issuer without keys: it runs no node")),
                Role::Local | Role::Own => Err(format!("{name} is this organization itself")),
            },
        }
    }

    /// The issuer of this name, or why there is none, as the end of a sentence.
    fn issuer(&self, name: &str) -> Result<(), String> {
        match self.0.get(name).copied() {
            None => Err(format!("{name} does not exist")),
            Some(o) if !o.verdict.is_accepted() => Err(format!("{name} is not accepted")),
            Some(o) if o.object.spec.issuer.is_none() => Err(format!("{name} has no issuer")),
            Some(o) if matches!(o.role, Role::Local | Role::Own) => {
                Err(format!("{name} is this organization itself"))
            }
            Some(_) => Ok(()),
        }
    }

    /// The issuers that lead nowhere, each with its reason.
    fn missing_issuers<'n>(
        &self,
        requirements: impl IntoIterator<Item = &'n finp2p_crds::sharing_policy::CredentialRequirement>,
    ) -> Vec<String> {
        let names: std::collections::BTreeSet<&str> = requirements
            .into_iter()
            .flat_map(|r| r.issuers.iter().map(String::as_str))
            .collect();
        names
            .into_iter()
            .filter_map(|name| self.issuer(name).err())
            .collect()
    }
}

/// A name that stands for several manifests stands for none: doubt gives nothing.
fn name_is_disputed(inputs: &Inputs, kind: &str, verdict: &Verdict) -> Option<Finding> {
    if inputs.disputed.is_empty() {
        return None;
    }
    let name = (kind.to_owned(), verdict.name.clone());
    let places = inputs.disputed.get(&name)?;
    Some(Finding::new(
        reasons::DUPLICATE_OBJECT,
        format!(
            "this name is written more than once, or was ({places}): which one is meant cannot be told, so none of them counts. Remove all but one, or give each a name of its own"
        ),
    ))
}

/// The first finding of a list of checks: the list is the specification.
fn first<T: ?Sized>(subject: &T, checks: &[fn(&T) -> Option<Finding>]) -> Option<Finding> {
    checks.iter().find_map(|check| check(subject))
}

/// Joins what went wrong into one sentence; long lists are cut, the first ones name the cure.
fn sentence(parts: &[String]) -> String {
    /// Enough to see the pattern; the rest appears once these are mended.
    const SHOWN_MAX: usize = 5;
    let mut text = parts
        .iter()
        .take(SHOWN_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if parts.len() > SHOWN_MAX {
        text.push_str(&format!("; and {} more", parts.len() - SHOWN_MAX));
    }
    text
}
