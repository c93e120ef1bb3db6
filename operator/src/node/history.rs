//! What this operator saw of a node's sequence: tells an API server that went back in time.
//!
//! An API server restored from a backup holds an older configuration and older objects, and its
//! watches tell of them one kind after the other. Whoever planned in between would take what comes
//! back for an edit, count on, and so bring a withdrawn policy back as something new, past the
//! sequence with which the node would have known the old.

use finp2p_crds::SidecarConfig;
use finp2p_crds::condition::reasons;
use finp2p_crds::sidecar_config::SidecarConfigStatus;

/// The sequences of one root, for as long as this operator leads.
#[derive(Debug, Default)]
pub struct History {
    organization: String,
    last: i64,
    highest: i64,
}

impl History {
    /// Takes note of an organization's root as the watch tells it, and of its node's report.
    /// Returns whether it is older than it was at the last look.
    pub fn saw(&mut self, organization: &str, root: Option<&SidecarConfig>) -> bool {
        if self.organization != organization {
            *self = Self {
                organization: organization.to_owned(),
                ..Self::default()
            };
        }
        let sequence = root.and_then(|root| root.spec.root.as_ref());
        let sequence = sequence.map_or(0, |root| root.sequence);
        let went_back = sequence < self.last;
        self.last = sequence;
        self.highest = self.highest.max(sequence);
        if root.is_some_and(|root| is_rolled_back(root.status.as_ref())) {
            // From here on the node itself says so, until a person accepts.
            self.highest = sequence;
        }
        went_back
    }

    /// Takes note of what was written.
    pub fn wrote(&mut self, sequence: i64) {
        self.last = self.last.max(sequence);
        self.highest = self.highest.max(sequence);
    }

    /// The highest sequence that was seen or written. While the root's own is lower, the node is
    /// about to say that its configuration went back.
    pub fn highest(&self) -> i64 {
        self.highest
    }
}

/// Whether a node reports that its configuration went back in time, to before a backup.
pub fn is_rolled_back(report: Option<&SidecarConfigStatus>) -> bool {
    report.is_some_and(|r| r.of_node(reasons::CONFIGURATION_ROLLED_BACK).is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn root(sequence: i64, reason: &str) -> SidecarConfig {
        let exception = json!({"kind": "Node", "name": "bank-a", "reason": reason, "message": "m"});
        serde_json::from_value(json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SidecarConfig",
            "metadata": {"name": "bank-a"},
            "spec": {"root": {
                "organizationId": "bank-a", "network": "n", "incarnation": 1, "sequence": sequence,
                "certificates": [], "api": [], "set": "s1", "slices": [],
                "limits": {"requestsPerSecond": 1, "connections": 1, "eraseAfterSeconds": 1, "maxConfigAgeSeconds": 1},
            }},
            "status": {"incarnation": 1, "applied": [], "certificateRequests": [], "peers": [], "exceptions": [exception]},
        }))
        .unwrap()
    }

    #[test]
    fn going_back_is_noticed_once_and_remembered_until_the_node_says_so() {
        let mut history = History::default();
        assert!(!history.saw("bank-a", Some(&root(3, "x"))));
        history.wrote(4);
        assert!(!history.saw("bank-a", Some(&root(4, "x"))));
        assert!(history.saw("bank-a", Some(&root(3, "x"))));
        assert!(!history.saw("bank-a", Some(&root(3, "x"))), "once");
        assert_eq!(history.highest(), 4);
        assert!(history.saw("bank-a", Some(&root(2, "x"))), "and once more");
        assert!(!history.saw("bank-a", Some(&root(2, "ConfigurationRolledBack"))));
        assert_eq!(history.highest(), 2);
    }

    #[test]
    fn what_was_written_and_never_seen_counts() {
        let mut history = History::default();
        history.saw("bank-a", Some(&root(3, "x")));
        history.wrote(4);
        assert!(history.saw("bank-a", Some(&root(3, "x"))));
    }

    #[test]
    fn a_root_that_is_gone_is_an_older_one_and_another_organization_is_a_beginning() {
        let mut history = History::default();
        history.saw("bank-a", Some(&root(3, "x")));
        assert!(history.saw("bank-a", None));
        assert_eq!(history.highest(), 3);
        assert!(!history.saw("bank-b", None));
        assert_eq!(history.highest(), 0);
    }
}
