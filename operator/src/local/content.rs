//! Content for a node: of the Secrets and ConfigMaps in the folder only what a SharedAsset names
//! and its owner permitted, and of those only the keys that are named.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::CONTENT_LABEL;
use finp2p_crds::label::Labels;
use finp2p_crds::shared_asset::Content;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::manifest::{Keyed, Manifest, Namespace};
use crate::node::inputs::SourceKind;

/// Files by name (`secret.NAME.yaml`, `configmap.NAME.yaml`). Private: wiped when dropped.
pub type Files = BTreeMap<String, Zeroizing<Vec<u8>>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'k> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'k>,
    data: BTreeMap<&'k str, Zeroizing<String>>,
}

#[derive(Serialize)]
struct Metadata<'k> {
    name: &'k str,
    labels: &'k Labels,
}

/// The content files that the node of a namespace is given.
pub fn files(namespace: &Namespace) -> Files {
    let wanted = wanted(namespace);
    let mut files = Files::new();
    for object in &namespace.objects {
        let (kind, keyed) = match &object.manifest {
            Manifest::Secret(keyed) => (SourceKind::Secret, keyed),
            Manifest::ConfigMap(keyed) => (SourceKind::ConfigMap, keyed),
            _ => continue,
        };
        let Some(keys) = wanted.get(&(kind, keyed.name.as_str())) else {
            continue;
        };
        let permitted = keyed.labels.get(CONTENT_LABEL).map(String::as_str) == Some("true");
        // Names were checked with the object; a name that leads elsewhere is never a file's.
        if !permitted || keyed.name.contains('/') {
            continue;
        }
        if let Some(text) = file(kind, keyed, keys) {
            let prefix = kind.as_str().to_ascii_lowercase();
            files.insert(format!("{prefix}.{}.yaml", keyed.name), text);
        }
    }
    files
}

/// The keys that assets name, by object.
fn wanted(namespace: &Namespace) -> BTreeMap<(SourceKind, &str), BTreeSet<&str>> {
    let mut wanted: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for object in &namespace.objects {
        let Manifest::SharedAsset(asset) = &object.manifest else {
            continue;
        };
        let Some(Content {
            secret, config_map, ..
        }) = &asset.spec.content
        else {
            continue;
        };
        for (kind, reference) in [
            (SourceKind::Secret, secret),
            (SourceKind::ConfigMap, config_map),
        ] {
            if let Some(reference) = reference {
                let keys = wanted.entry((kind, reference.name.as_str())).or_default();
                keys.insert(reference.key.as_str());
            }
        }
    }
    wanted
}

fn file(kind: SourceKind, keyed: &Keyed, keys: &BTreeSet<&str>) -> Option<Zeroizing<Vec<u8>>> {
    let named = keyed
        .data
        .iter()
        .filter(|(key, _)| keys.contains(key.as_str()));
    let data = named
        .filter_map(|(key, bytes)| {
            let text = match kind {
                SourceKind::Secret => STANDARD.encode(bytes.as_slice()),
                // Content is JSON; what is not text cannot be any.
                SourceKind::ConfigMap => std::str::from_utf8(bytes).ok()?.to_owned(),
            };
            Some((key.as_str(), Zeroizing::new(text)))
        })
        .collect();
    let written = Written {
        api_version: "v1",
        kind: kind.as_str(),
        metadata: Metadata {
            name: &keyed.name,
            labels: &keyed.labels,
        },
        data,
    };
    let text = serde_yaml::to_string(&written).ok()?;
    Some(Zeroizing::new(text.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Checker;

    const OBJECTS: &str = r#"
apiVersion: v1
kind: Secret
metadata: {name: bond, namespace: bank-a, labels: {sharing.finp2p.io/content: "true"}}
stringData: {content.json: '{"isin": "X"}', notes.txt: not for the node}
---
apiVersion: v1
kind: Secret
metadata: {name: finp2p-issuer, namespace: bank-a}
stringData: {key.pem: issuing key}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: bond, namespace: bank-a, labels: {sharing.finp2p.io/content: "true"}}
data: {content.json: "{}"}
---
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharedAsset
metadata: {name: bond, namespace: bank-a}
spec: {content: {secret: {name: bond, key: content.json}}}
---
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharedAsset
metadata: {name: stolen, namespace: bank-a}
spec: {content: {secret: {name: finp2p-issuer, key: key.pem}}}
"#;

    fn read(text: &str) -> Files {
        let folder = Checker::new()
            .unwrap()
            .read_paths(&["-".into()], text.as_bytes());
        assert!(folder.findings.iter().all(|f| !f.is_error()), "{folder:?}");
        files(&folder.namespaces[0])
    }

    #[test]
    fn a_node_gets_what_is_named_and_permitted_and_nothing_else() {
        let files = read(OBJECTS);
        assert_eq!(files.keys().collect::<Vec<_>>(), ["secret.bond.yaml"]);
        let text = std::str::from_utf8(&files["secret.bond.yaml"]).unwrap();
        let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(value["metadata"]["labels"][CONTENT_LABEL], "true");
        assert_eq!(
            value["data"]["content.json"],
            STANDARD.encode(r#"{"isin": "X"}"#)
        );
        assert_eq!(value["data"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn taking_the_label_away_takes_the_file_away() {
        assert!(read(&OBJECTS.replace("\"true\"", "\"false\"")).is_empty());
    }

    #[test]
    fn text_of_a_config_map_stays_text() {
        let files = read(&OBJECTS.replace("{secret: {name: bond", "{configMap: {name: bond"));
        let text = std::str::from_utf8(&files["configmap.bond.yaml"]).unwrap();
        let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
        assert_eq!(value["data"]["content.json"], "{}");
    }
}
