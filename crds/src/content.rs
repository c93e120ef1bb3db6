//! Which Secrets and ConfigMaps a node reads: one rule, which the operator applies where it gives
//! rights and the node where it opens watches.

use std::collections::BTreeSet;

use crate::shared_asset::{Content, ContentKey};

/// Kind of a Secret.
pub const SECRET: &str = "Secret";
/// Kind of a ConfigMap.
pub const CONFIG_MAP: &str = "ConfigMap";
/// Most Secrets and ConfigMaps that a node reads: each is a name in its Role and an open watch. More
/// content goes through its local API.
pub const OBJECTS_MAX: usize = 256;

/// A Secret or ConfigMap: its kind and its name.
pub type Object<'c> = (&'static str, &'c str);

impl Content {
    /// Kind, name and key of what the content is taken from; `None` where the local API writes it.
    #[must_use]
    pub fn object(&self) -> Option<(&'static str, &ContentKey)> {
        match (&self.secret, &self.config_map) {
            (Some(secret), _) => Some((SECRET, secret)),
            (None, Some(config_map)) => Some((CONFIG_MAP, config_map)),
            (None, None) => None,
        }
    }
}

/// The objects that a node reads for these contents: the first [`OBJECTS_MAX`] that they name. They
/// come oldest asset first, so that a new asset takes no content from an older one.
#[must_use]
pub fn objects<'c>(contents: impl IntoIterator<Item = &'c Content>) -> BTreeSet<Object<'c>> {
    let mut objects = BTreeSet::new();
    for content in contents {
        if let Some((kind, reference)) = content.object()
            && objects.len() < OBJECTS_MAX
        {
            objects.insert((kind, reference.name.as_str()));
        }
    }
    objects
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(json: serde_json::Value) -> Content {
        serde_json::from_value(json).unwrap()
    }

    fn secret(number: usize) -> Content {
        content(serde_json::json!({"secret": {"name": format!("s{number:03}"), "key": "k"}}))
    }

    #[test]
    fn the_first_256_objects_are_read_and_one_named_twice_counts_once() {
        // Newest name last, so that the order of names is not the order of age.
        let mut contents: Vec<Content> = (0..OBJECTS_MAX - 1).rev().map(secret).collect();
        contents.push(secret(7));
        contents.push(content(serde_json::json!({"api": {}})));
        // A ConfigMap of the same name is another object.
        contents.push(content(
            serde_json::json!({"configMap": {"name": "s007", "key": "k"}}),
        ));
        let before = objects(&contents);
        assert_eq!(before.len(), OBJECTS_MAX);
        assert!(before.contains(&(CONFIG_MAP, "s007")));
        let first_by_name = content(serde_json::json!({"secret": {"name": "a", "key": "k"}}));
        let more = [first_by_name, secret(3)];
        assert_eq!(objects(contents.iter().chain(&more)), before);
    }
}
