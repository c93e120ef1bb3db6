//! Resolving the digests of a signed payload: RFC 9901 §7.1, steps 3 to 5, for any SD-JWT.
//!
//! Nothing here knows what a record is, and nothing here checks a signature: callers do
//! both ([`verify`](super::verify)). Beside the processed payload it tells where digests
//! stood, so that a caller can hold a stricter shape than the RFC's.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use super::disclosure::{self, Parsed};
use super::pointer::join;

/// Deepest nesting after every disclosure is put in its place: a chain of disclosures could
/// nest deeper than any one text of it, and this walk is recursive.
const MAX_RESOLVED_DEPTH: usize = 48;

/// Why the disclosures do not fit the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// A disclosure is not base64url of a strict JSON array of two or three elements.
    #[error("a disclosure is malformed")]
    Disclosure,
    /// The same disclosure was sent twice.
    #[error("a disclosure stands twice")]
    DisclosureTwice,
    /// A digest stands twice in payload and disclosures, disclosed or not.
    #[error("a digest stands twice")]
    DigestTwice,
    /// `_sd` is no array of strings, or `...` is not alone with a string.
    #[error("a list of digests is malformed")]
    Digests,
    /// A disclosure for a member stands where an array element belongs, or the other way.
    #[error("a disclosure has the wrong number of elements for its place")]
    Arity,
    /// A disclosure gives a member that is there already.
    #[error("a disclosed member is there already")]
    Collision,
    /// A member, disclosed or not, is named `_sd` or `...`.
    #[error("a member has a reserved name")]
    ReservedName,
    /// No digest stands for one of the disclosures.
    #[error("a disclosure belongs to no digest")]
    Unreferenced,
    /// The result nests too deep.
    #[error("nested deeper than {MAX_RESOLVED_DEPTH} levels")]
    TooDeep,
}

/// A payload with its disclosures in place and its digests gone.
pub(super) struct Processed {
    /// The claims, `_sd_alg` among them.
    pub(super) claims: Map<String, Value>,
    /// Where each disclosure went: pointers from the root of the claims.
    pub(super) disclosed: Vec<String>,
    /// Pointers of the objects that held `_sd`.
    pub(super) holders: BTreeSet<String>,
    /// Whether some object held other members beside `_sd`.
    pub(super) mixed_holder: bool,
    /// Whether some array held a digest.
    pub(super) array_digest: bool,
}

/// Puts `encoded` disclosures into `claims`.
///
/// # Errors
/// The first rule of RFC 9901 §7.1 that does not hold.
pub(super) fn process(
    claims: Map<String, Value>,
    encoded: &[&str],
) -> Result<Processed, ProcessError> {
    let mut waiting = HashMap::with_capacity(encoded.len());
    for text in encoded {
        let parsed = disclosure::decode(text).ok_or(ProcessError::Disclosure)?;
        if waiting.insert(disclosure::digest(text), parsed).is_some() {
            return Err(ProcessError::DisclosureTwice);
        }
    }
    let mut resolver = Resolver {
        waiting,
        seen: HashSet::new(),
        disclosed: Vec::with_capacity(encoded.len()),
        holders: BTreeSet::new(),
        mixed_holder: false,
        array_digest: false,
    };
    let claims = resolver.object(claims, "", 0)?;
    if !resolver.waiting.is_empty() {
        return Err(ProcessError::Unreferenced);
    }
    let Resolver {
        disclosed,
        holders,
        mixed_holder,
        array_digest,
        ..
    } = resolver;
    Ok(Processed {
        claims,
        disclosed,
        holders,
        mixed_holder,
        array_digest,
    })
}

struct Resolver {
    /// By digest: disclosures that no digest has been found for yet.
    waiting: HashMap<String, Parsed>,
    /// Every digest met so far, disclosed or not.
    seen: HashSet<String>,
    disclosed: Vec<String>,
    holders: BTreeSet<String>,
    mixed_holder: bool,
    array_digest: bool,
}

impl Resolver {
    fn object(
        &mut self,
        mut members: Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, ProcessError> {
        if depth > MAX_RESOLVED_DEPTH {
            return Err(ProcessError::TooDeep);
        }
        if members.contains_key("...") {
            return Err(ProcessError::ReservedName);
        }
        let digests = members.remove("_sd");
        let mut resolved = Map::new();
        for (name, value) in members {
            let value = self.value(value, &join(path, &name), depth + 1)?;
            resolved.insert(name, value);
        }
        if let Some(digests) = digests {
            self.mixed_holder |= !resolved.is_empty();
            self.holders.insert(path.to_owned());
            self.members_of(digests, &mut resolved, path, depth)?;
        }
        Ok(resolved)
    }

    /// Adds to `resolved` the members that `_sd` stands for, where they are disclosed.
    fn members_of(
        &mut self,
        digests: Value,
        resolved: &mut Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<(), ProcessError> {
        let Value::Array(digests) = digests else {
            return Err(ProcessError::Digests);
        };
        for digest in digests {
            let Value::String(digest) = digest else {
                return Err(ProcessError::Digests);
            };
            let Some(parsed) = self.take(digest)? else {
                continue;
            };
            let name = parsed.name.ok_or(ProcessError::Arity)?;
            if matches!(name.as_str(), "_sd" | "...") {
                return Err(ProcessError::ReservedName);
            }
            if resolved.contains_key(&name) {
                return Err(ProcessError::Collision);
            }
            let pointer = join(path, &name);
            let value = self.value(parsed.value, &pointer, depth + 1)?;
            self.disclosed.push(pointer);
            resolved.insert(name, value);
        }
        Ok(())
    }

    fn value(&mut self, value: Value, path: &str, depth: usize) -> Result<Value, ProcessError> {
        match value {
            Value::Object(members) => self.object(members, path, depth).map(Value::Object),
            Value::Array(items) => self.array(items, path, depth).map(Value::Array),
            plain => Ok(plain),
        }
    }

    fn array(
        &mut self,
        items: Vec<Value>,
        path: &str,
        depth: usize,
    ) -> Result<Vec<Value>, ProcessError> {
        if depth > MAX_RESOLVED_DEPTH {
            return Err(ProcessError::TooDeep);
        }
        let mut resolved = Vec::with_capacity(items.len());
        for item in items {
            let pointer = join(path, &resolved.len().to_string());
            let Some(digest) = element_digest(&item)? else {
                resolved.push(self.value(item, &pointer, depth + 1)?);
                continue;
            };
            self.array_digest = true;
            let Some(parsed) = self.take(digest)? else {
                continue;
            };
            if parsed.name.is_some() {
                return Err(ProcessError::Arity);
            }
            let value = self.value(parsed.value, &pointer, depth + 1)?;
            self.disclosed.push(pointer);
            resolved.push(value);
        }
        Ok(resolved)
    }

    /// Notes a digest and takes its disclosure, if there is one.
    fn take(&mut self, digest: String) -> Result<Option<Parsed>, ProcessError> {
        let found = self.waiting.remove(&digest);
        if self.seen.insert(digest) {
            Ok(found)
        } else {
            Err(ProcessError::DigestTwice)
        }
    }
}

/// The digest that an array element is, if it is one (RFC 9901 §4.2.4.2).
fn element_digest(item: &Value) -> Result<Option<String>, ProcessError> {
    let Some(object) = item.as_object() else {
        return Ok(None);
    };
    match object.get("...") {
        None => Ok(None),
        Some(Value::String(digest)) if object.len() == 1 => Ok(Some(digest.clone())),
        Some(_) => Err(ProcessError::Digests),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::disclosure::{base64url, digest};
    use super::*;

    /// Claims that nest so deep when they are resolved, and their disclosures: by members, by
    /// elements, by disclosed members, by disclosed elements.
    fn nested(levels: usize) -> [(Value, Vec<String>); 4] {
        let members = (0..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
        let elements = (1..levels).fold(json!([]), |inner, _| json!([inner]));
        let (mut object, mut of_members) = (json!({}), Vec::new());
        for _ in 0..levels {
            let text = base64url(json!(["salt", "a", object]).to_string().as_bytes());
            object = json!({"_sd": [digest(&text)]});
            of_members.push(text);
        }
        let (mut array, mut of_elements) = (json!([]), Vec::new());
        for _ in 1..levels {
            let text = base64url(json!(["salt", array]).to_string().as_bytes());
            array = json!([{"...": digest(&text)}]);
            of_elements.push(text);
        }
        [
            (members, Vec::new()),
            (json!({ "a": elements }), Vec::new()),
            (object, of_members),
            (json!({ "a": array }), of_elements),
        ]
    }

    #[test]
    fn every_way_of_nesting_ends_at_the_same_depth() {
        for (levels, expected) in [
            (MAX_RESOLVED_DEPTH, None),
            (MAX_RESOLVED_DEPTH + 1, Some(ProcessError::TooDeep)),
        ] {
            for (way, (claims, disclosures)) in nested(levels).into_iter().enumerate() {
                let encoded: Vec<&str> = disclosures.iter().map(String::as_str).collect();
                let processed = process(claims.as_object().unwrap().clone(), &encoded);
                assert_eq!(processed.err(), expected, "{levels} levels, way {way}");
            }
        }
    }
}
