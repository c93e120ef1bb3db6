//! Whether the node that `explain` speaks of says that its configuration went back in time. Manifests
//! alone do not tell then what it serves.

use std::path::{Path, PathBuf};

use finp2p_crds::condition::{reasons, types};
use finp2p_crds::resource_id::is_organization;
use finp2p_crds::sidecar_config::SidecarConfigStatus;

use super::local::STATE;
use crate::cluster::Live;
use crate::local::home::Home;

/// What the node of a live namespace says: in its report, or, to who may not read that, in the status
/// of the local organization.
pub fn in_cluster(
    live: &Live,
    report: Option<&SidecarConfigStatus>,
    organization: &str,
) -> Option<String> {
    match report {
        Some(report) => of_report(report),
        None => of_status(live, organization),
    }
}

fn of_report(report: &SidecarConfigStatus) -> Option<String> {
    let said = report.of_node(reasons::CONFIGURATION_ROLLED_BACK)?;
    Some(said.message.clone())
}

fn of_status(live: &Live, organization: &str) -> Option<String> {
    let organizations = live.objects.organizations.iter().map(|o| &o.object);
    let mut local = organizations.filter(|object| {
        let status = object.status.as_ref();
        let id = status.and_then(|status| status.organization_id.as_deref());
        object.spec.node.is_some() && id == Some(organization)
    });
    local.find_map(|object| {
        let mut conditions = object.status.iter().flat_map(|s| &s.conditions);
        let said = conditions.find(|c| {
            c.type_ == types::PROGRAMMED && c.reason == reasons::CONFIGURATION_ROLLED_BACK
        })?;
        Some(said.message.clone())
    })
}

/// What the node says that local mode runs, or ran last, over one of these folders, in the report
/// that it leaves there.
pub fn in_files(paths: &[PathBuf], organization: &str) -> Option<String> {
    // Another name is no folder of the state.
    if !is_organization(organization) {
        return None;
    }
    let folders = paths
        .iter()
        .flat_map(|path| [Some(path.as_path()), path.parent()]);
    folders.flatten().find_map(|folder| {
        // The folder above a relative name is the one that is worked in.
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let home = Home::at(folder.join(STATE).join(organization));
        of_report(&home.read_report()?)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use finp2p_crds::PeerOrganization;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::node::files::Objects;
    use crate::node::inputs::{Age, Observed};

    /// A live namespace whose local organization has this condition Programmed.
    fn live(reason: &str) -> Live {
        let object: PeerOrganization = serde_json::from_value(json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "PeerOrganization",
            "metadata": {"name": "local"},
            "spec": {
                "organizationId": "bank-a",
                "node": {"network": "n", "signer": {"secretName": "s"}}
            },
            "status": {"organizationId": "bank-a", "conditions": [{
                "type": "Programmed", "status": "False", "reason": reason, "message": "by status",
                "lastTransitionTime": "2026-12-01T00:00:00Z"
            }]}
        }))
        .unwrap();
        let age = Age::Created {
            at: Timestamp::MIN,
            namespace: "bank-a".to_owned(),
            name: "local".to_owned(),
        };
        let object = Arc::new(object);
        Live {
            namespace: "bank-a".to_owned(),
            objects: Objects {
                organizations: vec![Observed { object, age }],
                ..Objects::default()
            },
            sources_known: true,
        }
    }

    #[test]
    fn the_report_is_believed_and_who_may_not_read_it_is_told_by_the_status() {
        let rolled_back = live("ConfigurationRolledBack");
        let by_status = Some("by status".to_owned());
        assert_eq!(in_cluster(&rolled_back, None, "bank-a"), by_status);
        assert_eq!(in_cluster(&rolled_back, None, "bank-b"), None);
        assert_eq!(in_cluster(&live("NodeBehind"), None, "bank-a"), None);
        // The operator may be behind what the node says, in either direction.
        let accepted = SidecarConfigStatus::default();
        assert_eq!(in_cluster(&rolled_back, Some(&accepted), "bank-a"), None);
        let said = json!({"exceptions": [{
            "kind": "Node", "name": "bank-a", "reason": "ConfigurationRolledBack", "message": "by report"
        }]});
        let said: SidecarConfigStatus = serde_json::from_value(said).unwrap();
        let by_report = Some("by report".to_owned());
        assert_eq!(
            in_cluster(&live("NodeBehind"), Some(&said), "bank-a"),
            by_report
        );
    }

    #[test]
    fn local_mode_leaves_its_report_beside_the_manifests_or_above_one_namespace() {
        let banks = tempfile::tempdir().unwrap();
        let folder = banks.path().join(".finp2p/bank-a");
        std::fs::create_dir_all(&folder).unwrap();
        let report = "exceptions: [{kind: Node, name: bank-a, reason: ConfigurationRolledBack, message: why}]";
        std::fs::write(folder.join("report.yaml"), report).unwrap();
        let why = Some("why".to_owned());
        let root = banks.path().to_owned();
        let folders = std::slice::from_ref(&root);
        assert_eq!(in_files(folders, "bank-a"), why);
        assert_eq!(in_files(folders, "bank-b"), None);
        assert_eq!(in_files(folders, "../.finp2p/bank-a"), None);
        assert_eq!(
            in_files(&[root.join("members"), root.join("bank-a")], "bank-a"),
            why
        );
        assert_eq!(in_files(&[root.join("bank-a/more")], "bank-a"), None);
    }
}
