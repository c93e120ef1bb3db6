//! Names of what a node has on its cluster.

use sha2::{Digest as _, Sha256};

/// ServiceAccount of every node pod; the chart makes it in each namespace.
pub const SERVICE_ACCOUNT: &str = "finp2p-node";
/// The sidecar's container. An overlay may not name it.
pub const CONTAINER: &str = "sidecar";
/// Volume of the private store, and name of its claim template.
pub const STATE_VOLUME: &str = "state";
/// Volume of the store key.
pub const STORE_KEY_VOLUME: &str = "store-key";
/// Volume of the sidecar's service account token.
pub const TOKEN_VOLUME: &str = "finp2p-token";
/// Key in the Secret of the store key.
pub const STORE_KEY: &str = "store.key";
/// Label and value of everything that the operator makes.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "finp2p-operator");

/// Longest organization id that names carry as it is: a StatefulSet's name has room for 52
/// characters, because its pods carry it in labels with a suffix of 11.
const ORGANIZATION_MAX_CHARS: usize = 40;
/// Of a longer one so much is kept, before a hash of the whole.
const HEAD_CHARS: usize = 31;

/// Longest name of an object, bytes (a DNS-1123 subdomain).
pub const OBJECT_NAME_MAX_BYTES: usize = 253;

/// Whether an object of Kubernetes can have this name: a DNS-1123 subdomain.
pub fn is_object_name(text: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=OBJECT_NAME_MAX_BYTES).contains(&text.len())
        && text.split('.').all(|part| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(is_inside)
        })
}

/// Names of the objects of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    base: String,
}

impl Names {
    /// The names for an organization.
    pub fn new(organization: &str) -> Self {
        let base = if organization.chars().count() <= ORGANIZATION_MAX_CHARS {
            format!("finp2p-{organization}")
        } else {
            let head: String = organization.chars().take(HEAD_CHARS).collect();
            let hash = hex::encode(Sha256::digest(organization));
            let tail: String = hash.chars().take(8).collect();
            format!("finp2p-{head}-{tail}")
        };
        Self { base }
    }

    /// StatefulSet, NetworkPolicy, and the Service that peers dial.
    pub fn node(&self) -> String {
        self.base.clone()
    }

    /// The Service of the local API and the metrics.
    pub fn api(&self) -> String {
        format!("{}-api", self.base)
    }

    /// Role and RoleBinding of the node's service account.
    pub fn role(&self) -> String {
        format!("{}-node", self.base)
    }

    /// The Secret of the store key, unless the node names its own.
    pub fn store_key(&self) -> String {
        format!("{}-store-key", self.base)
    }

    /// The claim of the one pod's volume, as a StatefulSet names it.
    pub fn claim(&self) -> String {
        format!("{STATE_VOLUME}-{}-0", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_organization_still_gives_a_name_that_a_stateful_set_may_have() {
        let long = "b".repeat(63);
        let other = format!("{}c", "b".repeat(62));
        let names = Names::new(&long);
        assert!(names.node().len() <= 52, "{}", names.node());
        assert_ne!(names.node(), Names::new(&other).node());
        assert_eq!(Names::new("bank-a").claim(), "state-finp2p-bank-a-0");
    }
}
