//! The store key that a node names itself, in place of the one that the operator makes.
//!
//! What a pod mounts is not looked at before the pod starts, so a name that leads nowhere would take
//! the store away from the next pod. Until it leads somewhere, what runs goes on as it is.

use super::names::{STORE_KEY, is_object_name};
use crate::node::inputs::{Dialling, Inputs, SourceKind};
use crate::node::validate::Local;

/// Length of a store key.
const KEY_BYTES: usize = 32;

/// What is wrong with the name, whatever there is of that name.
///
/// # Errors
/// A sentence with the field.
pub fn check(local: &Local<'_>) -> Result<(), String> {
    let Some(name) = named(local) else {
        return Ok(());
    };
    if !is_object_name(name) {
        return Err(format!(
            "node.storeKey.secretName is {name:?}, and no Secret can have that name: write the name of the Secret that holds the store key"
        ));
    }
    if name == local.node.signer.secret_name {
        return Err(format!(
            "node.storeKey.secretName is {name}, the Secret of node.signer: the issuing key never enters the node's pod, so the store key is a Secret of its own"
        ));
    }
    Ok(())
}

/// Why there is no such key in the namespace, as a sentence; `None` when there is, and where a node
/// takes none from there (in local mode).
pub fn missing(inputs: &Inputs, local: &Local<'_>) -> Option<String> {
    if matches!(inputs.dialling, Dialling::Loopback(_)) {
        return None;
    }
    let name = named(local)?;
    let kind = SourceKind::Secret;
    let mut sources = inputs.sources.iter();
    let source = sources.find(|source| source.kind == kind && source.name == name);
    let why = match source {
        None => match inputs
            .disputed
            .get(&(kind.as_str().to_owned(), name.to_owned()))
        {
            Some(places) => format!("is written more than once ({places}) and none of them counts"),
            None => format!("is not in namespace {}", inputs.namespace),
        },
        // The API server is asked for metadata only; the pod then finds out.
        Some(source)
            if source
                .keys
                .as_ref()
                .is_some_and(|keys| !keys.contains(STORE_KEY)) =>
        {
            format!("has no key {STORE_KEY}")
        }
        Some(_) => return None,
    };
    Some(format!(
        "Secret {name}, which node.storeKey names, {why}; until it is there what runs goes on as it is. If the node has run with it restore it from a backup, otherwise make it with {KEY_BYTES} random bytes under the key {STORE_KEY} (`head -c {KEY_BYTES} /dev/urandom > {STORE_KEY}`, `kubectl create secret generic {name} --from-file={STORE_KEY}`)"
    ))
}

/// The name, if the node does not leave it to the operator.
fn named<'l>(local: &Local<'l>) -> Option<&'l str> {
    let key = local.node.store_key.as_ref()?;
    Some(key.secret_name.as_str())
}
