//! What is kept of a test that failed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::{ControlPlane, resource};
use crate::binaries::root;

/// Of each log, its end: an API server under load writes more than anybody reads.
const LOG_BYTES: usize = 1024 * 1024;

/// Writes the objects and events of namespaces and the logs of all processes into a new folder below
/// `target/failures`. Never fails: what cannot be had is said in its place.
pub fn keep(cluster: &ControlPlane, namespaces: &[&str]) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = root().join("target/failures").join(format!(
        "{}-{}-{}",
        namespaces.first().unwrap_or(&"cluster"),
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    for namespace in namespaces {
        let of = folder.join(namespace);
        write(&of.join("events.txt"), &events(cluster, namespace));
        for resource in resource::namespaced().filter(|resource| *resource != "events") {
            match cluster.admin().list(resource, namespace) {
                Ok(items) if items.is_empty() => {}
                Ok(items) => write(
                    &of.join(format!("{resource}.yaml")),
                    &yaml(items, resource == "secrets"),
                ),
                Err(refusal) => write(&of.join(format!("{resource}.txt")), &format!("{refusal:?}")),
            }
        }
    }
    for entry in fs::read_dir(cluster.folder().join("logs"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let log = fs::read(entry.path()).unwrap_or_default();
        let end = &log[log.len().saturating_sub(LOG_BYTES)..];
        write(
            &folder.join("logs").join(entry.file_name()),
            &String::from_utf8_lossy(end),
        );
    }
    folder
}

/// A line for each event, in the order of time.
fn events(cluster: &ControlPlane, namespace: &str) -> String {
    let mut events = match cluster.admin().list("events", namespace) {
        Ok(events) => events,
        Err(refusal) => return format!("{refusal:?}"),
    };
    let time = |event: &Value| {
        let time = event["eventTime"]
            .as_str()
            .or(event["metadata"]["creationTimestamp"].as_str());
        time.unwrap_or_default().to_owned()
    };
    events.sort_by_key(time);
    let line = |event: &Value| {
        format!(
            "{} {} {} {}/{}: {}\n",
            time(event),
            event["type"],
            event["reason"],
            event["regarding"]["kind"],
            event["regarding"]["name"],
            event["note"],
        )
    };
    events.iter().map(line).collect()
}

/// As `kubectl get -o yaml` prints, without the contents of Secrets.
fn yaml(mut items: Vec<Value>, secret: bool) -> String {
    for item in &mut items {
        if let Some(metadata) = item.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let data = item.get_mut("data").and_then(Value::as_object_mut);
        for value in data.into_iter().flat_map(|data| data.values_mut()) {
            if secret {
                *value =
                    format!("({} characters)", value.as_str().unwrap_or_default().len()).into();
            }
        }
    }
    let text = |item: &Value| serde_yaml::to_string(item).unwrap_or_default();
    items
        .iter()
        .map(|item| format!("---\n{}", text(item)))
        .collect()
}

fn write(path: &Path, text: &str) {
    if let Some(folder) = path.parent() {
        let _kept_or_not = fs::create_dir_all(folder);
    }
    let _kept_or_not = fs::write(path, text);
}
