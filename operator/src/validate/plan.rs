//! What only shows beside other objects: the operator's own plan over the files, and its
//! refusals as findings.

use finp2p_crds::access::not_yet_enforced;
use finp2p_crds::condition::{Condition, Truth, reasons, types};
use finp2p_crds::peer_organization::{ApiVerb, Role};
use jiff::Timestamp;

use super::content;
use super::elsewhere::{self, Absent};
use crate::diff::world::facts;
use crate::finding::Finding;
use crate::manifest::folder::is_local_organization;
use crate::manifest::{Folder, Manifest, Namespace, Object};
use crate::node::files::{self, Objects, claims};
use crate::node::inputs::SourceKind;
use crate::node::validate::{Local, Organization, Validated, Verdict, validate};
use crate::node::{Claim, Dialling, Inputs, plan};

/// Stands for the address that a Service would have: in files there is no Service, and that
/// is no mistake of the manifests.
const SERVICE_ADDRESS: &str = "/dns4/service.invalid/tcp/4001";

const ORGANIZATION: &str = "PeerOrganization";
const POLICY: &str = "SharingPolicy";
/// Where a policy selects peers and assets by label.
const PEERS: &str = "/spec/peers/selector";
const ASSETS: &str = "/spec/assets/selector";
/// Reason of the warning that nobody may accept a configuration that went back in time.
const NO_ADMINISTRATOR: &str = "NoAdministrator";

/// What the plan says of the namespaces.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Objects that would not be accepted, and names that lead nowhere.
    pub findings: Vec<Finding>,
    /// Namespaces without a local organization among what was read: nothing runs there, and
    /// what their objects name was not looked up.
    pub unplanned: Vec<String>,
}

/// Plans every namespace that has a local organization, as of `now`.
pub fn check(folder: &Folder, now: Timestamp) -> Planned {
    let claims = claims(folder);
    let mut planned = Planned::default();
    for namespace in &folder.namespaces {
        if namespace.objects.iter().any(is_local_organization) {
            let findings = namespace_findings(namespace, &claims, now);
            planned.findings.extend(findings);
        } else if !namespace.objects.is_empty() {
            let findings = by_themselves(namespace, &claims, now);
            planned.findings.extend(findings);
            planned.unplanned.push(namespace.name.clone());
        }
    }
    planned
}

fn namespace_findings(namespace: &Namespace, claims: &[Claim], now: Timestamp) -> Vec<Finding> {
    let mut objects = Objects::of(namespace);
    let mut findings = elsewhere::assume(namespace, &mut objects);
    let inputs = inputs(namespace, objects, claims, now);
    let plan = plan(&inputs);
    let validated = validate(&inputs);
    // A selector that selects nothing where there is nothing is about what is kept elsewhere.
    let is_peer = |o: &Organization<'_>| o.role == Role::Peer;
    let is_any = [
        validated.organizations.iter().any(is_peer).then_some(PEERS),
        (!validated.assets.is_empty()).then_some(ASSETS),
    ];
    findings.extend(about_keys(namespace, &validated.organizations));
    let remarks = validated.policies.iter();
    let remarks = remarks.filter_map(|policy| remark(namespace, POLICY, &policy.verdict, REMARKS));
    findings.extend(remarks.filter(|finding| {
        finding.reason != reasons::NOTHING_SELECTED || is_any.contains(&finding.field.as_deref())
    }));
    let local = validated.local.as_ref().ok();
    findings.extend(local.and_then(|local| no_administrator(namespace, local)));
    let organizations = plan
        .organizations
        .iter()
        .map(|o| ("PeerOrganization", &o.name, &o.status.conditions));
    let assets = plan
        .assets
        .iter()
        .map(|a| ("SharedAsset", &a.name, &a.status.conditions));
    let policies = plan
        .policies
        .iter()
        .map(|p| ("SharingPolicy", &p.name, &p.status.conditions));
    let told =
        organizations
            .chain(assets)
            .chain(policies)
            .filter_map(|(kind, name, conditions)| {
                let condition = refusal(conditions)?;
                let object = written(namespace, kind, name)?;
                finding(namespace, &validated, object, condition)
            });
    findings.extend(told);
    let facts = facts(&plan);
    findings.extend(
        facts
            .iter()
            .flat_map(|facts| content::check(namespace, facts)),
    );
    findings
}

fn inputs(namespace: &Namespace, objects: Objects, claims: &[Claim], now: Timestamp) -> Inputs {
    Inputs {
        namespace: namespace.name.clone(),
        organizations: objects.organizations,
        assets: objects.assets,
        policies: objects.policies,
        sources: objects.sources,
        disputed: objects.disputed,
        claims: claims.to_vec(),
        signer: files::signer(namespace).map_or_else(|state| state, |signer| signer.state()),
        signed: Vec::new(),
        dialling: Dialling::Network {
            service: Some(vec![SERVICE_ADDRESS.to_owned()]),
        },
        cluster: None,
        previous: None,
        report: None,
        now,
    }
}

/// What a policy says of itself although it is accepted, where all that it may select is here.
const REMARKS: &[&str] = &[reasons::EXPIRED, reasons::NOTHING_SELECTED];
/// The same where the rest is elsewhere: whom it would select is not known.
const OWN_REMARKS: &[&str] = &[reasons::EXPIRED];

/// What is remarkable about the root keys of a peer.
const KEY_REMARKS: &[&str] = &[reasons::EXPIRED, reasons::KEY_SHARED];

/// What peers show by themselves.
fn about_keys<'n>(
    namespace: &'n Namespace,
    organizations: &'n [Organization<'_>],
) -> impl Iterator<Item = Finding> {
    let verdicts = organizations.iter().map(|o| &o.verdict);
    verdicts.filter_map(|verdict| remark(namespace, ORGANIZATION, verdict, KEY_REMARKS))
}

/// What records and policies show by themselves, where the local organization is kept somewhere else.
fn by_themselves(namespace: &Namespace, claims: &[Claim], now: Timestamp) -> Vec<Finding> {
    let inputs = inputs(namespace, Objects::of(namespace), claims, now);
    let validated = validate(&inputs);
    let records = about_keys(namespace, &validated.organizations);
    let told = validated.policies.iter().filter_map(|policy| {
        let verdict = &policy.verdict;
        let refused = verdict.refused.as_ref();
        match refused.filter(|refused| refused.reason == reasons::NOT_YET_SUPPORTED) {
            Some(refused) => warn(namespace, POLICY, verdict, refused),
            None => remark(namespace, POLICY, verdict, OWN_REMARKS),
        }
    });
    records.chain(told).collect()
}

/// What is worth a warning of an object that is accepted.
fn remark(namespace: &Namespace, kind: &str, verdict: &Verdict, told: &[&str]) -> Option<Finding> {
    let remark = verdict.remark.as_ref()?;
    (verdict.is_accepted() && told.contains(&remark.reason)).then_some(())?;
    warn(namespace, kind, verdict, remark)
}

fn warn(
    namespace: &Namespace,
    kind: &str,
    verdict: &Verdict,
    said: &crate::node::validate::Finding,
) -> Option<Finding> {
    let object = written(namespace, kind, &verdict.name)?;
    let field = field(object, said.reason, &said.message);
    let cure = match (kind, said.reason) {
        (ORGANIZATION, reasons::EXPIRED) => "replace keys by those of its new public record",
        _ => cure(said.reason),
    };
    Some(
        object
            .finding(&field, said.reason, &said.message, cure)
            .warn(),
    )
}

/// The manifest of an object.
pub fn written<'n>(namespace: &'n Namespace, kind: &str, name: &str) -> Option<&'n Object> {
    let mut objects = namespace.objects.iter();
    objects.find(|object| object.id.kind == kind && object.id.name == name)
}

/// A node whose control plane is restored from a backup waits for somebody who may accept that, and
/// whoever is added only then is not in the configuration that it had before.
fn no_administrator(namespace: &Namespace, local: &Local<'_>) -> Option<Finding> {
    let clients = local.node.api.iter().flat_map(|api| &api.clients);
    let mut verbs = clients.flat_map(|client| &client.allow);
    if verbs.any(|verb| *verb == ApiVerb::Administer) {
        return None;
    }
    let object = written(namespace, "PeerOrganization", &local.name)?;
    let finding = object.finding(
        "/spec/node/api/clients",
        NO_ADMINISTRATOR,
        "no client may Administer: after the control plane was restored from a backup nobody could say that this is meant, and the node would serve only what it granted before as well",
        "add a client for the people on call now, as it cannot be added then: {serviceAccount: operations, allow: [Administer]}",
    );
    Some(finding.warn())
}

/// What is told of a refusal; `None` when what is missing is made elsewhere.
fn finding(
    namespace: &Namespace,
    validated: &Validated<'_>,
    object: &Object,
    condition: &Condition,
) -> Option<Finding> {
    let reason = condition.reason.as_str();
    let field = match (&object.manifest, reason, condition.type_.as_str()) {
        (Manifest::PeerOrganization(_), reasons::INVALID, types::RESOLVED_REFS) => {
            "/spec/node".to_owned()
        }
        _ => field(object, reason, &condition.message),
    };
    if let (reasons::SIGNER_MISSING, Manifest::PeerOrganization(organization)) =
        (reason, &object.manifest)
    {
        let signer = organization.spec.node.as_ref().map(|node| &node.signer);
        let name = signer.map_or("", |signer| &signer.secret_name);
        let kind = SourceKind::Secret;
        match elsewhere::absent(namespace, kind, name) {
            Some(Absent::Made) => return None,
            Some(Absent::Assumed) => {
                let reason = reasons::SIGNER_MISSING;
                return Some(elsewhere::warning(object, &field, reason, kind, name));
            }
            Some(Absent::Missing) | None => {}
        }
    }
    // What the operator says to whoever looks at a cluster is to make it.
    let mut named = named(object, reason).into_iter();
    let is_source = |kind: &str| {
        [SourceKind::Secret, SourceKind::ConfigMap]
            .iter()
            .any(|k| k.as_str() == kind)
    };
    let refused = named.find(|(kind, name)| is_source(kind) && is_refused(namespace, kind, name));
    let message = match refused {
        Some((kind, name)) => format!("{kind} {name} is named here, and cannot be used"),
        None => condition.message.clone(),
    };
    let cures = cures(namespace, validated, object, reason);
    let cure = match cures.as_slice() {
        [] => cure(reason).to_owned(),
        cures => cures.join("; "),
    };
    Some(object.finding(&field, reason, message, &cure))
}

/// Whether an object of this name is among the manifests and was refused.
fn is_refused(namespace: &Namespace, kind: &str, name: &str) -> bool {
    let mut refused = namespace.refused.keys();
    refused.any(|id| id.kind == kind && id.name == name)
}

/// Most cures of one finding: the first ones show the pattern.
const CURES_MAX: usize = 3;

/// What mends each name that leads nowhere: something of that name may well be there.
fn cures(
    namespace: &Namespace,
    validated: &Validated<'_>,
    object: &Object,
    reason: &str,
) -> Vec<String> {
    let mut cures = Vec::new();
    for (kind, name) in named(object, reason) {
        let cure = if is_refused(namespace, kind, name) {
            Some(format!(
                "{kind} {name} is among these manifests and was refused: mend it first"
            ))
        } else {
            match kind {
                "PeerOrganization" => cure_of_peer(validated, name),
                "SharedAsset" => cure_of_asset(validated, name),
                _ => Some(cure(reason).to_owned()),
            }
        };
        cures.extend(cure.filter(|cure| !cures.contains(cure)));
    }
    cures.truncate(CURES_MAX);
    cures
}

/// The names that a reason is about, with their kind.
fn named<'o>(object: &'o Object, reason: &str) -> Vec<(&'static str, &'o str)> {
    let all = |kind, names: Option<&'o Vec<String>>| {
        let names = names.into_iter().flatten();
        names.map(|name| (kind, name.as_str())).collect()
    };
    match (&object.manifest, reason) {
        (Manifest::PeerOrganization(o), reasons::SIGNER_MISSING) => {
            let signer = o.spec.node.as_ref().map(|node| &node.signer);
            let name = signer.map(|signer| (SourceKind::Secret.as_str(), &*signer.secret_name));
            name.into_iter().collect()
        }
        (Manifest::PeerOrganization(_), reasons::STORE_KEY_MISSING) => {
            let key = elsewhere::store_key(object);
            key.map(|(kind, name, _)| (kind.as_str(), name))
                .into_iter()
                .collect()
        }
        (Manifest::SharedAsset(_), reasons::CONTENT_NOT_FOUND) => {
            let content = elsewhere::content(object);
            let name = content.map(|(kind, name, _)| (kind.as_str(), name));
            name.into_iter().collect()
        }
        (Manifest::SharedAsset(asset), reasons::PEER_NOT_FOUND) => {
            let from = asset.spec.from.iter();
            from.map(|from| ("PeerOrganization", &*from.peer)).collect()
        }
        (Manifest::SharingPolicy(policy), reasons::PEER_NOT_FOUND) => {
            all("PeerOrganization", policy.spec.peers.names.as_ref())
        }
        (Manifest::SharingPolicy(policy), reasons::ASSET_NOT_FOUND) => {
            let assets = policy.spec.assets.as_ref();
            all(
                "SharedAsset",
                assets.and_then(|assets| assets.names.as_ref()),
            )
        }
        _ => Vec::new(),
    }
}

/// What makes a peer of a name; `None` for one that is.
fn cure_of_peer(validated: &Validated<'_>, name: &str) -> Option<String> {
    let mut organizations = validated.organizations.iter();
    let Some(found) = organizations.find(|o| o.verdict.name == name) else {
        return Some(cure(reasons::PEER_NOT_FOUND).to_owned());
    };
    match found.role {
        _ if !found.verdict.is_accepted() => Some(format!("mend PeerOrganization {name} first")),
        Role::Peer => None,
        Role::Local | Role::Own => Some(format!("leave {name} out: nobody is a peer of itself")),
        Role::Issuer => Some(format!("leave {name} out, or mend the name")),
    }
}

/// What makes an asset of our own of a name; `None` for one that is.
fn cure_of_asset(validated: &Validated<'_>, name: &str) -> Option<String> {
    let mut assets = validated.assets.iter();
    match assets.find(|asset| asset.verdict.name == name) {
        None => Some(cure(reasons::ASSET_NOT_FOUND).to_owned()),
        Some(found) if !found.verdict.is_accepted() => {
            Some(format!("mend SharedAsset {name} first"))
        }
        Some(found) if found.object.spec.from.is_some() => {
            Some(format!("leave {name} out, or mend the name"))
        }
        Some(_) => None,
    }
}

/// Where in the object the mistake is, as a JSON Pointer: as near as the reason tells.
pub fn field(object: &Object, reason: &str, message: &str) -> String {
    let own_id = |is_written: bool, field: &str| match is_written {
        true => format!("/spec/{field}"),
        false => "/metadata/name".to_owned(),
    };
    match (&object.manifest, reason) {
        (_, reasons::DUPLICATE_OBJECT) => "/metadata/name".to_owned(),
        (Manifest::PeerOrganization(o), _) => match reason {
            reasons::SIGNER_MISSING => "/spec/node/signer/secretName".to_owned(),
            reasons::STORE_KEY_MISSING => elsewhere::STORE_KEY.to_owned(),
            reasons::INVALID_KEY
            | reasons::KEYS_DIFFER
            | reasons::KEY_SHARED
            | reasons::EXPIRED => "/spec/keys".to_owned(),
            reasons::NAMESPACE_TAKEN => "/spec/node".to_owned(),
            _ => own_id(o.spec.organization_id.is_some(), "organizationId"),
        },
        (Manifest::SharedAsset(asset), _) => match reason {
            reasons::PEER_NOT_FOUND => "/spec/from/peer".to_owned(),
            reasons::ISSUER_NOT_FOUND => "/spec/eligibility/credentials".to_owned(),
            reasons::CONTENT_NOT_FOUND | reasons::CONTENT_NOT_PERMITTED => {
                let content = asset.spec.content.as_ref();
                match content.is_some_and(|content| content.config_map.is_some()) {
                    true => "/spec/content/configMap".to_owned(),
                    false => "/spec/content/secret".to_owned(),
                }
            }
            _ => own_id(asset.spec.asset_id.is_some(), "assetId"),
        },
        (Manifest::SharingPolicy(policy), _) => match reason {
            reasons::PEER_NOT_FOUND => "/spec/peers/names".to_owned(),
            reasons::ASSET_NOT_FOUND => "/spec/assets/names".to_owned(),
            reasons::ISSUER_NOT_FOUND => "/spec/credentials".to_owned(),
            reasons::NOT_YET_SUPPORTED => {
                let fields = not_yet_enforced(&policy.spec);
                fields
                    .first()
                    .map_or("/spec".to_owned(), |field| format!("/spec/{field}"))
            }
            reasons::EXPIRED => "/spec/notAfter".to_owned(),
            // The message begins with the selection that it is about.
            reasons::NOTHING_SELECTED if message.starts_with("peers") => PEERS.to_owned(),
            reasons::NOTHING_SELECTED => ASSETS.to_owned(),
            _ => "/spec".to_owned(),
        },
        (Manifest::Secret(_) | Manifest::ConfigMap(_), _) => String::new(),
    }
}

/// The condition that an edit must mend, the more fundamental first.
fn refusal(conditions: &[Condition]) -> Option<&Condition> {
    [types::ACCEPTED, types::RESOLVED_REFS]
        .into_iter()
        .find_map(|wanted| {
            conditions
                .iter()
                .find(|c| c.type_ == wanted && c.status == Truth::False)
        })
}

/// How a refusal is mended in files. The message says it too, in the words of a status.
fn cure(reason: &str) -> &'static str {
    match reason {
        reasons::SIGNER_MISSING => {
            "run finp2p-operator keygen for a new organization, or certify for one that has keys"
        }
        reasons::STORE_KEY_MISSING => {
            "add the Secret with 32 random bytes under the key store.key, mend the name, or leave storeKey out for a new node: the operator then makes one"
        }
        reasons::PEER_NOT_FOUND | reasons::ISSUER_NOT_FOUND => {
            "add its PeerOrganization (members/ for the consortium's records), or mend the name"
        }
        reasons::ASSET_NOT_FOUND => "add the SharedAsset, or mend the name",
        reasons::CONTENT_NOT_FOUND => "add the Secret or ConfigMap with this key, or mend the name",
        reasons::CONTENT_NOT_PERMITTED => {
            "its owner adds the label sharing.finp2p.io/content: \"true\" to the Secret or ConfigMap"
        }
        reasons::NOT_YET_SUPPORTED => {
            "remove these fields if the policy may do without them; until then it grants nothing"
        }
        reasons::EXPIRED => "delete it, or give it a later notAfter",
        reasons::NOTHING_SELECTED => "give what is meant these labels, or mend the selector",
        reasons::NAMESPACE_TAKEN
        | reasons::ORGANIZATION_TAKEN
        | reasons::RESOURCE_TAKEN
        | reasons::KEYS_DIFFER => "keep one of the two, or make them agree",
        reasons::KEY_SHARED => "leave it to the organization whose key it is",
        reasons::INVALID_KEY => "copy the key again from the organization's own record",
        _ => "edit the object as the message says",
    }
}
