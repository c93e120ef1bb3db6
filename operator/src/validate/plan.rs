//! What only shows beside other objects: the operator's own plan over the files, and its
//! refusals as findings.

use finp2p_crds::access::not_yet_enforced;
use finp2p_crds::condition::{Condition, Truth, reasons, types};
use jiff::Timestamp;

use super::elsewhere::{self, Absent};
use crate::finding::Finding;
use crate::manifest::folder::is_local_organization;
use crate::manifest::{Folder, Manifest, Namespace, Object};
use crate::node::files::{self, Objects, claims};
use crate::node::inputs::SourceKind;
use crate::node::{Claim, Dialling, Inputs, plan};

/// Stands for the address that a Service would have: in files there is no Service, and that
/// is no mistake of the manifests.
const SERVICE_ADDRESS: &str = "/dns4/service.invalid/tcp/4001";

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
            planned.unplanned.push(namespace.name.clone());
        }
    }
    planned
}

fn namespace_findings(namespace: &Namespace, claims: &[Claim], now: Timestamp) -> Vec<Finding> {
    let mut objects = Objects::of(namespace);
    let mut findings = elsewhere::assume(namespace, &mut objects);
    let plan = plan(&Inputs {
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
    });
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
                let object = namespace
                    .objects
                    .iter()
                    .find(|object| object.id.kind == kind && object.id.name == *name)?;
                finding(namespace, object, condition)
            });
    findings.extend(told);
    findings
}

/// What is told of a refusal; `None` when what is missing is made elsewhere.
fn finding(namespace: &Namespace, object: &Object, condition: &Condition) -> Option<Finding> {
    let reason = condition.reason.as_str();
    let field = field(object, condition);
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
    Some(object.finding(&field, reason, &condition.message, cure(reason)))
}

/// Where in the object the mistake is, as a JSON Pointer: as near as the reason tells.
fn field(object: &Object, condition: &Condition) -> String {
    let own_id = |is_written: bool, field: &str| match is_written {
        true => format!("/spec/{field}"),
        false => "/metadata/name".to_owned(),
    };
    let reason = condition.reason.as_str();
    match (&object.manifest, reason) {
        (_, reasons::DUPLICATE_OBJECT) => "/metadata/name".to_owned(),
        (Manifest::PeerOrganization(o), _) => match reason {
            reasons::SIGNER_MISSING => "/spec/node/signer/secretName".to_owned(),
            reasons::INVALID_KEY | reasons::KEYS_DIFFER => "/spec/keys".to_owned(),
            reasons::NAMESPACE_TAKEN => "/spec/node".to_owned(),
            reasons::INVALID if condition.type_ == types::RESOLVED_REFS => "/spec/node".to_owned(),
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
        reasons::NAMESPACE_TAKEN
        | reasons::ORGANIZATION_TAKEN
        | reasons::RESOURCE_TAKEN
        | reasons::KEYS_DIFFER => "keep one of the two, or make them agree",
        reasons::INVALID_KEY => "copy the key again from the organization's own record",
        _ => "edit the object as the message says",
    }
}
