//! The pod template overlay: what it may say, and how it lies under the operator's own fields.
//!
//! The overlay brings the bank's own containers into the node's pod. It may not mount the sidecar's
//! volumes, or volumes of its own from the same Secrets and claim, take the node's token, replace the
//! sidecar or leave the pod's own namespaces: that guards against mistakes. Who may write it may run
//! pods in the namespace, and the right to PeerOrganizations is that strong.

//!
//! - [`keyed`]: lists whose items have a key.

mod keyed;

use serde_json::{Map, Value};

use super::names::{CONTAINER, STATE_VOLUME, STORE_KEY_VOLUME, TOKEN_VOLUME};

/// Most bytes of an overlay as JSON.
const OVERLAY_MAX_BYTES: usize = 32 * 1024;
/// Lists of a pod whose items are found by name.
const NAMED_LISTS: [&str; 4] = [
    "containers",
    "initContainers",
    "volumes",
    "imagePullSecrets",
];
/// What the operator decides alone.
const RESERVED: [&str; 7] = [
    "serviceAccountName",
    "serviceAccount",
    "automountServiceAccountToken",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "shareProcessNamespace",
];

/// Most of what somebody wrote that a message repeats.
const SHOWN_MAX_CHARS: usize = 63;

/// What of the namespace the sidecar alone may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Private {
    /// Names of Secrets, each with what it is.
    pub secrets: Vec<(String, &'static str)>,
    /// The claim of the private store.
    pub claim: String,
}

/// Why an overlay is refused, as the end of "podTemplate …".
///
/// # Errors
/// A sentence that says what to change.
pub fn check(overlay: &Value, private: &Private) -> Result<(), String> {
    let size = serde_json::to_vec(overlay).map_or(usize::MAX, |json| json.len());
    if size > OVERLAY_MAX_BYTES {
        return Err(format!(
            "takes {} KiB and may take {}: keep long texts in ConfigMaps",
            size.div_ceil(1024),
            OVERLAY_MAX_BYTES / 1024
        ));
    }
    let Value::Object(template) = overlay else {
        return Err("must be an object with metadata and spec".to_owned());
    };
    if let Some(other) = template.keys().find(|k| *k != "metadata" && *k != "spec") {
        return Err(format!("has {other}, and may have metadata and spec only"));
    }
    check_metadata(template.get("metadata"))?;
    let spec = match template.get("spec") {
        None => return Ok(()),
        Some(Value::Object(spec)) => spec,
        Some(_) => return Err("has a spec that is no object".to_owned()),
    };
    if let Some(field) = RESERVED.iter().find(|field| spec.contains_key(**field)) {
        return Err(format!(
            "sets spec.{field}, which is the operator's alone: leave it out"
        ));
    }
    for list in ["containers", "initContainers"] {
        items(spec, list)?
            .iter()
            .try_for_each(|c| check_container(list, c))?;
    }
    keyed::check(spec)?;
    let reserved = [STATE_VOLUME, STORE_KEY_VOLUME, TOKEN_VOLUME];
    for volume in items(spec, "volumes")? {
        let name = name(volume);
        if reserved.contains(&name) {
            return Err(format!(
                "names a volume {name}, which is the sidecar's: call it something else"
            ));
        }
    }
    private.check(overlay)
}

impl Private {
    /// Whether nothing in a part of an overlay reads what is private: as a volume, a source of a
    /// projected volume, or a variable of a container.
    fn check(&self, part: &Value) -> Result<(), String> {
        match part {
            Value::Object(fields) => fields.iter().try_for_each(|(field, value)| {
                self.check_source(field, value)?;
                self.check(value)
            }),
            Value::Array(items) => items.iter().try_for_each(|item| self.check(item)),
            _ => Ok(()),
        }
    }

    fn check_source(&self, field: &str, source: &Value) -> Result<(), String> {
        let text = |key: &str| source.get(key).and_then(Value::as_str);
        match field {
            "secret" | "secretRef" | "secretKeyRef" | "nodePublishSecretRef" => {
                self.check_secret(text("secretName").or(text("name")))
            }
            "persistentVolumeClaim" if text("claimName") == Some(&self.claim) => Err(self.mounted()),
            // A volume made as a copy of it.
            "dataSource" | "dataSourceRef" if text("name") == Some(&self.claim) => {
                Err(self.mounted())
            }
            // For another audience (a vault) it opens nothing of the node's.
            "serviceAccountToken" if !text("audience").is_some_and(is_elsewhere) => Err(
                "takes the node's token for the API server or for a node, which is the sidecar's alone: name the audience of whom else it is for, or leave it out".to_owned(),
            ),
            _ => self.check_secret(text("secretName")),
        }
    }

    fn check_secret(&self, named: Option<&str>) -> Result<(), String> {
        let mut secrets = self.secrets.iter();
        match secrets.find(|(name, _)| Some(name.as_str()) == named) {
            Some((name, what)) => Err(format!(
                "reads Secret {name}, {what}, into the pod: it is for the operator and the sidecar alone, leave it out"
            )),
            None => Ok(()),
        }
    }

    fn mounted(&self) -> String {
        format!(
            "mounts the claim {} of the private store: it is the sidecar's alone, leave it out",
            self.claim
        )
    }
}

/// Whether an audience is neither the API server, by one of its usual names, nor a node's local API.
fn is_elsewhere(audience: &str) -> bool {
    let is_api_server = audience.is_empty() || audience.contains("kubernetes.default");
    let is_node = audience.starts_with("finp2p-") && audience.ends_with("-api");
    !is_api_server && !is_node
}

/// What a pod is called and who owns it the StatefulSet decides, and a finalizer of somebody else would
/// keep a pod from ever being replaced.
fn check_metadata(metadata: Option<&Value>) -> Result<(), String> {
    let metadata = match metadata {
        None => return Ok(()),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err("has a metadata that is no object".to_owned()),
    };
    let known = ["labels", "annotations"];
    match metadata.keys().find(|key| !known.contains(&key.as_str())) {
        Some(other) => {
            let other: String = other.chars().take(SHOWN_MAX_CHARS).collect();
            Err(format!(
                "has metadata.{other}, and may have labels and annotations there only: leave it out"
            ))
        }
        None => Ok(()),
    }
}

/// Why a text is no name of an image, as the end of "FIELD …". A registry would be asked for it as it is.
pub fn check_image(image: &str) -> Result<(), String> {
    let is_foreign = |c: char| c.is_whitespace() || c.is_control();
    if !image.contains(is_foreign) {
        return Ok(());
    }
    let image: String = image.chars().take(SHOWN_MAX_CHARS).collect();
    Err(format!(
        "is {image:?}, with white space: write the name of the image without"
    ))
}

fn check_container(list: &str, container: &Value) -> Result<(), String> {
    let name = name(container);
    if name.is_empty() {
        return Err(format!("has an item without name in spec.{list}"));
    }
    if name == CONTAINER {
        return Err(format!(
            "names a container {CONTAINER}, which is the operator's: use image and resources under node instead"
        ));
    }
    if let Some(image) = container.get("image").and_then(Value::as_str) {
        check_image(image)
            .map_err(|why| format!("has container {name} in spec.{list}, whose image {why}"))?;
    }
    let mounts = container.get("volumeMounts").and_then(Value::as_array);
    let devices = container.get("volumeDevices").and_then(Value::as_array);
    let reserved = [STATE_VOLUME, STORE_KEY_VOLUME, TOKEN_VOLUME];
    let mounted = mounts.into_iter().chain(devices).flatten();
    match mounted.map(self::name).find(|n| reserved.contains(n)) {
        Some(volume) => Err(format!(
            "mounts the sidecar's volume {volume} into container {name}: the private store, its key and the sidecar's token are the sidecar's alone"
        )),
        None => Ok(()),
    }
}

fn items<'v>(spec: &'v Map<String, Value>, list: &str) -> Result<&'v [Value], String> {
    match spec.get(list) {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(format!("has a spec.{list} that is no list")),
    }
}

fn name(item: &Value) -> &str {
    item.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Whether the overlay brings containers that run beside the sidecar.
pub fn has_containers(overlay: Option<&Value>) -> bool {
    overlay
        .and_then(|overlay| overlay.pointer("/spec/containers"))
        .and_then(Value::as_array)
        .is_some_and(|containers| !containers.is_empty())
}

/// The operator's fields over the overlay's: objects are merged, named lists by name, anything
/// else is the operator's.
pub fn merge(overlay: Value, own: Value) -> Value {
    match (overlay, own) {
        (Value::Object(mut under), Value::Object(over)) => {
            for (key, own) in over {
                let merged = match under.remove(&key) {
                    Some(Value::Array(under)) if NAMED_LISTS.contains(&key.as_str()) => match own {
                        Value::Array(own) => Value::Array(merge_named(under, own)),
                        own => own,
                    },
                    Some(under) => merge(under, own),
                    None => own,
                };
                under.insert(key, merged);
            }
            Value::Object(under)
        }
        (_, own) => own,
    }
}

/// The operator's items first: a native sidecar starts before the containers that use it.
fn merge_named(under: Vec<Value>, own: Vec<Value>) -> Vec<Value> {
    let taken: Vec<String> = own.iter().map(|item| name(item).to_owned()).collect();
    let others = under
        .into_iter()
        .filter(|item| !taken.iter().any(|taken| taken == name(item)));
    let others: Vec<Value> = others.collect();
    own.into_iter().chain(others).collect()
}
