//! What the node's service account may do: see its configuration, report, and read the content
//! objects that its assets name. Nothing else.

use std::collections::BTreeSet;

use finp2p_crds::GROUP;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::names::{Names, SERVICE_ACCOUNT};
use super::owned::Scene;
use crate::node::validate::Asset;

/// Most Secrets and ConfigMaps that a node may read; more content goes through its local API.
pub const CONTENT_OBJECTS_MAX: usize = 256;

/// Names of the objects that content comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentNames {
    /// Secrets.
    pub secrets: BTreeSet<String>,
    /// ConfigMaps.
    pub config_maps: BTreeSet<String>,
}

impl ContentNames {
    /// What accepted assets name, the oldest assets first, up to the bound.
    pub fn of(assets: &[Asset<'_>]) -> Self {
        let mut by_age: Vec<&Asset<'_>> =
            assets.iter().filter(|a| a.verdict.is_accepted()).collect();
        by_age.sort_by(|a, b| a.verdict.age.cmp(&b.verdict.age));
        let mut names = Self::default();
        for content in by_age.iter().filter_map(|a| a.object.spec.content.as_ref()) {
            let (set, reference) = match (&content.secret, &content.config_map) {
                (Some(secret), _) => (&mut names.secrets, secret),
                (None, Some(config_map)) => (&mut names.config_maps, config_map),
                (None, None) => continue,
            };
            set.insert(reference.name.clone());
            if names.secrets.len() + names.config_maps.len() >= CONTENT_OBJECTS_MAX {
                break;
            }
        }
        names
    }
}

/// The node's Role. The namespace has one node, so every SidecarConfig in it is that node's: sets
/// grow without a moment in which the node may not read what its root names.
pub fn role(scene: &Scene<'_>, names: &Names, content: &ContentNames) -> Role {
    let mut rules = vec![
        rule(GROUP, "sidecarconfigs", &["get", "list", "watch"], []),
        rule(
            GROUP,
            "sidecarconfigs/status",
            &["get", "patch"],
            [scene.local.id.clone()],
        ),
    ];
    // A rule without names would be a rule for all of them.
    let read = ["get", "list", "watch"];
    if !content.secrets.is_empty() {
        rules.push(rule("", "secrets", &read, content.secrets.iter().cloned()));
    }
    if !content.config_maps.is_empty() {
        let names = content.config_maps.iter().cloned();
        rules.push(rule("", "configmaps", &read, names));
    }
    Role {
        metadata: scene.metadata(names.role()),
        rules: Some(rules),
    }
}

/// Gives the Role to the node's service account.
pub fn binding(scene: &Scene<'_>, names: &Names) -> RoleBinding {
    RoleBinding {
        metadata: scene.metadata(names.role()),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: names.role(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: SERVICE_ACCOUNT.to_owned(),
            namespace: Some(scene.inputs.namespace.clone()),
            api_group: None,
        }]),
    }
}

fn rule(
    group: &str,
    resource: &str,
    verbs: &[&str],
    names: impl IntoIterator<Item = String>,
) -> PolicyRule {
    let names: Vec<String> = names.into_iter().collect();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        resource_names: (!names.is_empty()).then_some(names),
        non_resource_urls: None,
    }
}
