//! Whether the CRDs on the API server are at least as new as this operator.
//!
//! Helm never upgrades CRDs that are installed; an operator that writes fields which an older CRD
//! does not know would see them dropped without a word (`CRDOutdated`).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use serde_json::Value;

use crate::cluster_error;

/// Why the operator does not plan.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Not there, or not to be read.
    #[error("CRD {name} cannot be read: {why}")]
    Unread {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// Older than this operator.
    #[error(
        "CRDOutdated: CRD {name} does not have {what}, which this operator needs: apply the CRDs of its release (helm upgrade with crds.install=true, or kubectl apply --server-side -f crds/)"
    )]
    Outdated {
        /// Its name.
        name: String,
        /// Path of the first thing that is missing or different.
        what: String,
    },
    /// A fault of ours.
    #[error("the CRDs of this version have no JSON form")]
    Own(#[from] finp2p_crds::definition::DefinitionError),
}

/// Compares every CRD with the one that this version was built with.
///
/// # Errors
/// [`Unfit`]: what to do about it.
pub async fn check(client: &Client) -> Result<(), Unfit> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for own in finp2p_crds::definition::all()? {
        let name = own.crd.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        let live = api.get(&name).await.map_err(|error| Unfit::Unread {
            name: name.clone(),
            why: cluster_error::clause(&error),
        })?;
        let live = serde_json::to_value(&live).unwrap_or_default();
        let schema = "/spec/versions/0/schema/openAPIV3Schema";
        let (Some(own), Some(live)) = (own.crd.pointer(schema), live.pointer(schema)) else {
            let what = "the version v1alpha1".to_owned();
            return Err(Unfit::Outdated { name, what });
        };
        if let Some(what) = missing(own, live, "") {
            return Err(Unfit::Outdated { name, what });
        }
    }
    Ok(())
}

/// The first property of our schema that the other does not have. Bounds and rules may differ: a
/// newer CRD may be stricter, and the plan checks for itself.
fn missing(own: &Value, live: &Value, path: &str) -> Option<String> {
    let properties = own.get("properties").and_then(Value::as_object);
    for (name, own) in properties.into_iter().flatten() {
        let path = format!("{path}.{name}");
        match live.get("properties").and_then(|p| p.get(name)) {
            None => return Some(path),
            Some(live) => {
                if let Some(missing) = missing(own, live, &path) {
                    return Some(missing);
                }
            }
        }
    }
    let (own, live) = (own.get("items")?, live.get("items"));
    missing(own, live.unwrap_or(&Value::Null), &format!("{path}[]"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_schema_is_told_by_the_field_that_it_lacks() {
        let own = json!({"properties": {"spec": {"properties": {
            "peers": {"items": {"properties": {"a": {}, "b": {}}}}}}}});
        let mut live = own.clone();
        assert_eq!(missing(&own, &live, ""), None);
        live["properties"]["spec"]["properties"]["newer"] = json!({});
        assert_eq!(missing(&own, &live, ""), None, "newer CRDs are fine");
        let item = &mut live["properties"]["spec"]["properties"]["peers"]["items"]["properties"];
        item.as_object_mut().unwrap().remove("b");
        assert_eq!(missing(&own, &live, ""), Some(".spec.peers[].b".to_owned()));
    }
}
