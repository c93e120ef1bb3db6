//! PeerOrganizations: which one is local, what the others are, whose claim stands.
//!
//! [`needs`] says what the local one may lack, [`key`] which root keys open sessions.

pub mod key;
mod needs;

use std::collections::BTreeMap;

use finp2p_crds::condition::reasons;
use finp2p_crds::peer_organization::{Role, RootKey};
use finp2p_crds::resource_id::is_organization;
use finp2p_wire::key::PublicKey;
use jiff::{SignedDuration, Timestamp};

use self::needs::NEEDS;
use super::{Finding, Local, Organization, Verdict, annotation, first, name_is_disputed};
use crate::node::inputs::{Age, Claim, Inputs};
use crate::node::plan::owned::Parts;

/// The local organization, or why there is none; the parts of its node that a mistake keeps from
/// being built; every PeerOrganization by name.
pub fn all(
    inputs: &Inputs,
) -> (
    Result<Local<'_>, Finding>,
    Option<Parts>,
    Vec<Organization<'_>>,
) {
    let claim = inputs
        .claims
        .iter()
        .filter(|c| c.namespace == inputs.namespace)
        .min();
    let mut organizations: Vec<Organization<'_>> = inputs
        .organizations
        .iter()
        .map(|observed| {
            let object = observed.object.as_ref();
            let mut verdict = Verdict::new(&inputs.namespace, &object.metadata, &observed.age);
            let annotations = object.metadata.annotations.as_ref();
            verdict.aside = annotation::idle(annotations, object.spec.node.is_some());
            let id = object
                .spec
                .organization_id
                .clone()
                .unwrap_or_else(|| verdict.name.clone());
            let own = claim.is_some_and(|claim| claim.organization_id == id);
            let role = match &object.spec {
                spec if spec.node.is_some() => Role::Local,
                _ if own => Role::Own,
                spec if spec.keys.is_empty() => Role::Issuer,
                _ => Role::Peer,
            };
            Organization {
                object,
                id,
                role,
                verdict,
            }
        })
        .collect();
    organizations.sort_by(|a, b| a.verdict.order().cmp(&b.verdict.order()));

    let oldest = oldest_records(&organizations);
    let local_object = claim.and_then(|claim| {
        organizations
            .iter()
            .find(|o| o.role == Role::Local && o.verdict.name == claim.name)
    });
    let local_keys = local_object.map(|o| (o.verdict.name.clone(), o.object.spec.keys.clone()));
    let refusals: Vec<Option<Finding>> = organizations
        .iter()
        .map(|organization| {
            let scene = Scene {
                inputs,
                organization,
                oldest: &oldest,
                local: &local_keys,
            };
            first(&scene, REFUSALS)
        })
        .collect();
    let holders = holders(&organizations);
    for (organization, refused) in organizations.iter_mut().zip(refusals) {
        organization.verdict.refused = refused;
        organization.verdict.remark = remark(organization, claim, &holders, inputs.now);
    }

    let local = local(inputs, &organizations, claim);
    let parts = local.as_ref().ok().map(|local| Parts::build(inputs, local));
    let home = local.as_ref().ok().zip(parts.as_ref());
    let unresolved = home.and_then(|(local, parts)| first(&(inputs, local, parts), NEEDS));
    if let Some(found) = organizations
        .iter_mut()
        .find(|o| o.role == Role::Local && o.verdict.is_accepted())
    {
        found.verdict.unresolved = unresolved;
    }
    (local, parts, organizations)
}

/// The oldest record of each organization id among those without `node`, name and age.
type Oldest = BTreeMap<String, (Age, String)>;

fn oldest_records(organizations: &[Organization<'_>]) -> Oldest {
    let mut oldest = Oldest::new();
    for o in organizations.iter().filter(|o| o.role != Role::Local) {
        let mine = (o.verdict.age.clone(), o.verdict.name.clone());
        let kept = oldest.entry(o.id.clone()).or_insert_with(|| mine.clone());
        if mine < *kept {
            *kept = mine;
        }
    }
    oldest
}

/// What a check of one PeerOrganization may look at.
struct Scene<'s, 'a> {
    inputs: &'a Inputs,
    organization: &'s Organization<'a>,
    oldest: &'s Oldest,
    /// Name and keys of the oldest object with `node`.
    local: &'s Option<(String, Vec<RootKey>)>,
}

/// Why a PeerOrganization is refused, in the order in which a person should mend it.
const REFUSALS: &[fn(&Scene<'_, '_>) -> Option<Finding>] = &[
    name_is_in_doubt,
    id_is_not_well_formed,
    key_is_unusable,
    address_is_unusable,
    namespace_is_taken,
    organization_is_taken,
    record_is_taken,
    keys_differ,
];

fn name_is_in_doubt(scene: &Scene<'_, '_>) -> Option<Finding> {
    let verdict = &scene.organization.verdict;
    name_is_disputed(scene.inputs, "PeerOrganization", verdict)
}

fn id_is_not_well_formed(scene: &Scene<'_, '_>) -> Option<Finding> {
    let Scene { organization, .. } = scene;
    (!is_organization(&organization.id)).then(|| {
        Finding::new(
            reasons::INVALID,
            "the name of this object is no organization id (1 to 63 of a-z, 0-9 and -): create it again under such a name, or with organizationId",
        )
    })
}

fn key_is_unusable(scene: &Scene<'_, '_>) -> Option<Finding> {
    let keys = &scene.organization.object.spec.keys;
    keys.iter().enumerate().find_map(|(position, key)| {
        let why = match PublicKey::from_spki_base64(&key.public_key) {
            Err(error) => error.to_string(),
            Ok(_) if keys.iter().take(position).any(|k| k.public_key == key.public_key) => {
                "it is listed twice".to_owned()
            }
            Ok(_) => return None,
        };
        Some(Finding::new(
            reasons::INVALID_KEY,
            format!("key {} cannot be trusted: {why}. Take publicKey from what the organization exported", key.id),
        ))
    })
}

fn address_is_unusable(scene: &Scene<'_, '_>) -> Option<Finding> {
    let spec = &scene.organization.object.spec;
    let announced = spec.node.iter().flat_map(|node| &node.announce);
    spec.addresses.iter().chain(announced).find(|address| !has_usable_port(address)).map(|address| {
        Finding::new(
            reasons::INVALID,
            format!("address {address} has no usable port: /tcp/ is followed by a number from 1 to 65535"),
        )
    })
}

fn has_usable_port(address: &str) -> bool {
    let port = address
        .split("/tcp/")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    port.and_then(|port| port.parse::<u16>().ok())
        .is_some_and(|port| port > 0)
}

fn namespace_is_taken(scene: &Scene<'_, '_>) -> Option<Finding> {
    let Scene {
        inputs,
        organization,
        ..
    } = scene;
    let mine = claim_of(scene)?;
    let older = inputs
        .claims
        .iter()
        .filter(|c| c.namespace == mine.namespace)
        .min()?;
    (*older < mine && older.name != organization.verdict.name).then(|| {
        Finding::new(
            reasons::NAMESPACE_TAKEN,
            format!(
                "namespace {} already runs the node of {} (PeerOrganization {}, which {}): delete this object, or move it to a namespace of its own",
                mine.namespace,
                older.organization_id,
                older.name,
                older.age.precedence()
            ),
        )
    })
}

fn organization_is_taken(scene: &Scene<'_, '_>) -> Option<Finding> {
    let mine = claim_of(scene)?;
    let others = scene.inputs.claims.iter().filter(|c| {
        c.organization_id == mine.organization_id
            && (&c.namespace, &c.name) != (&mine.namespace, &mine.name)
    });
    let older = others.min().filter(|older| **older < mine)?;
    Some(Finding::new(
        reasons::ORGANIZATION_TAKEN,
        format!(
            "{} is already run by PeerOrganization {} in namespace {}, which {}: an organization has one node, so delete one of the two",
            mine.organization_id,
            older.name,
            older.namespace,
            older.age.precedence()
        ),
    ))
}

fn record_is_taken(scene: &Scene<'_, '_>) -> Option<Finding> {
    let Organization {
        id, role, verdict, ..
    } = scene.organization;
    let (age, oldest) = scene.oldest.get(id)?;
    (*role != Role::Local && *oldest != verdict.name).then(|| {
        Finding::new(
            reasons::ORGANIZATION_TAKEN,
            format!(
                "PeerOrganization {oldest} is a record of {id}, too, and {}: edit that one and delete this one",
                age.precedence()
            ),
        )
    })
}

fn keys_differ(scene: &Scene<'_, '_>) -> Option<Finding> {
    let (sibling, keys) = scene.local.as_ref()?;
    let organization = scene.organization;
    (organization.role == Role::Own && differ(keys, &organization.object.spec.keys)).then(|| {
        Finding::new(
            reasons::KEYS_DIFFER,
            format!(
                "its keys are not those of PeerOrganization {sibling}, which runs the node of {}: correct whichever of the two is wrong, or leave keys out of {sibling}",
                organization.id
            ),
        )
    })
}

/// The claim that the object makes, from the list of all claims so that both sides of a
/// comparison are of one origin.
fn claim_of(scene: &Scene<'_, '_>) -> Option<Claim> {
    let Scene {
        inputs,
        organization,
        ..
    } = scene;
    (organization.role == Role::Local).then(|| Claim {
        age: organization.verdict.age.clone(),
        organization_id: organization.id.clone(),
        namespace: inputs.namespace.clone(),
        name: organization.verdict.name.clone(),
    })
}

/// Whether two records that both list keys list different ones; order has no meaning.
fn differ(a: &[RootKey], b: &[RootKey]) -> bool {
    let facts = |keys: &[RootKey]| {
        let mut facts: Vec<_> = keys
            .iter()
            .map(|k| {
                let revoked = k.revoked_at.as_ref().map(|time| time.0);
                let window = (k.not_before.0, k.not_after.0);
                (
                    k.public_key.clone(),
                    k.id.clone(),
                    window,
                    k.verify_only == Some(true),
                    revoked,
                )
            })
            .collect();
        facts.sort();
        facts
    };
    !a.is_empty() && !b.is_empty() && facts(a) != facts(b)
}

fn remark(
    organization: &Organization<'_>,
    claim: Option<&Claim>,
    holders: &Holders<'_>,
    now: Timestamp,
) -> Option<Finding> {
    match organization.role {
        Role::Own => Some(Finding::new(
            reasons::SELF,
            format!(
                "the public record of this organization itself, never a peer; its node is run by PeerOrganization {}",
                claim.map(|c| c.name.as_str()).unwrap_or_default()
            ),
        )),
        _ if organization.object.spec.suspended == Some(true) => Some(Finding::new(
            reasons::SUSPENDED,
            "suspended: nothing is exchanged with it, whatever policies say; remove suspended to resume",
        )),
        Role::Peer => no_key_opens_sessions(&organization.object.spec.keys, now)
            .or_else(|| key_is_shared(organization, holders)),
        Role::Local | Role::Issuer => None,
    }
}

/// Id and name of every record that lists a public key.
type Holders<'a> = BTreeMap<&'a str, Vec<(String, String)>>;

fn holders<'a>(organizations: &[Organization<'a>]) -> Holders<'a> {
    let mut holders = Holders::new();
    for organization in organizations {
        for key in &organization.object.spec.keys {
            let records = holders.entry(key.public_key.as_str()).or_default();
            records.push((organization.id.clone(), organization.verdict.name.clone()));
        }
    }
    holders
}

/// Most likely one record was copied from the other. Whom a request comes from is still told by the
/// certificate, and whoever holds the key can certify either.
fn key_is_shared(organization: &Organization<'_>, holders: &Holders<'_>) -> Option<Finding> {
    organization.object.spec.keys.iter().find_map(|key| {
        let mut records = holders.get(key.public_key.as_str())?.iter();
        let (_, other) = records.find(|(id, _)| *id != organization.id)?;
        Some(Finding::new(
            reasons::KEY_SHARED,
            format!(
                "root key {} is in PeerOrganization {other}, too: whoever holds it can speak for both organizations. Ask them whose it is, and replace the record of the other",
                key.id
            ),
        ))
    })
}

/// A record whose keys have ended is as it should be, and its organization as good as suspended.
fn no_key_opens_sessions(keys: &[RootKey], now: Timestamp) -> Option<Finding> {
    let closed = key::all_closed(keys, now, SignedDuration::ZERO)?;
    Some(Finding::new(
        reasons::EXPIRED,
        format!(
            "no root key of it opens a session now ({}): its node is refused, whatever policies say, and ours believes nothing that it signs. Ask the organization for its new public record and apply it",
            closed.join("; ")
        ),
    ))
}

fn local<'a>(
    inputs: &'a Inputs,
    organizations: &[Organization<'a>],
    claim: Option<&Claim>,
) -> Result<Local<'a>, Finding> {
    let none = |message: String| Finding::new(reasons::NO_LOCAL_ORGANIZATION, message);
    let Some(claim) = claim else {
        return Err(none(format!(
            "namespace {} runs no node yet: apply a PeerOrganization with node (finp2p-operator keygen prints one)",
            inputs.namespace
        )));
    };
    let found = organizations
        .iter()
        .find(|o| o.role == Role::Local && o.verdict.name == claim.name);
    let Some((found, node)) = found.and_then(|o| Some((o, o.object.spec.node.as_ref()?))) else {
        return Err(none(format!(
            "PeerOrganization {} has not been read yet",
            claim.name
        )));
    };
    if !found.verdict.is_accepted() {
        return Err(none(format!(
            "PeerOrganization {}, which would run the node of this namespace, is not accepted: see its conditions",
            claim.name
        )));
    }
    let record = organizations
        .iter()
        .filter(|o| o.role == Role::Own)
        .min_by_key(|o| (&o.verdict.age, &o.verdict.name))
        .map(|o| o.object);
    Ok(Local {
        object: found.object,
        node,
        name: found.verdict.name.clone(),
        uid: found.verdict.uid.clone(),
        id: found.id.clone(),
        record,
    })
}
