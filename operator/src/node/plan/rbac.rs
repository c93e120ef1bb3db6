//! What the node's service account may do: see its configuration, report, and read the content
//! objects that its assets name. Nothing else.

use std::collections::BTreeSet;

use finp2p_crds::GROUP;
use finp2p_crds::content::{SECRET, objects};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::names::{Names, SERVICE_ACCOUNT};
use super::owned::Scene;
use crate::node::validate::Asset;

/// Names of the objects that content comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentNames {
    /// Secrets.
    pub secrets: BTreeSet<String>,
    /// ConfigMaps.
    pub config_maps: BTreeSet<String>,
}

impl ContentNames {
    /// What the assets name whose content the node is told to read: what is too much was left out.
    pub fn of(assets: &[Asset<'_>]) -> Self {
        let read = assets
            .iter()
            .filter(|a| a.verdict.is_accepted() && !a.content_left_out);
        let mut names = Self::default();
        for (kind, name) in objects(read.filter_map(|a| a.object.spec.content.as_ref())) {
            let set = match kind {
                SECRET => &mut names.secrets,
                _ => &mut names.config_maps,
            };
            set.insert(name.to_owned());
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
