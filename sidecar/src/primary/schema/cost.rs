//! How much work a schema is over a content, before any of it is done.
//!
//! Thirty definitions that each name the next one twice are a thousand million checks of one value:
//! a few kilobytes of schema would keep a node busy for ever. So the checks are counted first, as an upper
//! bound: how often each part of the schema looks at one value, carried from the top of the content down,
//! depth by depth, times the values at that depth. That takes time in proportion to the schema.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Most steps over one content: about a second in a debug build. A schema that looks at each value a few
/// times needs a hundredth of it.
pub const STEPS_MAX: u64 = 10_000_000;
/// Longest way through a schema that stays at one value: each step of it is a call on the stack, times
/// the depth of the content.
pub const CHAIN_MAX: usize = 64;

/// Why a schema is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// A reference does not lead to a place in the schema.
    #[error(
        "the reference {0:?} does not lead to a place in it: only those that begin with # are followed"
    )]
    Reference(String),
    /// A part of it has an identifier of its own.
    #[error("the part at {0:?} has an identifier of its own, which only the whole may have")]
    Identifier(String),
    /// It looks at one value again and again.
    #[error("the definition at {0:?} refers to itself at the same value")]
    Circle(String),
    /// A way through it is longer than [`CHAIN_MAX`].
    #[error("it looks at one value through more than {CHAIN_MAX} definitions, one in the other")]
    Chain,
    /// It is more work than [`STEPS_MAX`].
    #[error(
        "it is more work over this content than a node does: definitions that name others several times multiply. Make it plainer"
    )]
    Work,
}

/// Where a keyword's schemas look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the same value.
    Same,
    /// At members or items of it.
    Below,
}

/// One schema within the schema.
struct Node<'s> {
    place: String,
    /// What it costs by itself at one value.
    weight: u64,
    same: Vec<usize>,
    below: Vec<usize>,
    members: &'s Map<String, Value>,
}

/// Steps of `schema` over `content`, at most.
///
/// # Errors
/// [`CostError`]: the schema is not to be used over it.
pub fn steps(schema: &Value, content: &Value) -> Result<u64, CostError> {
    let graph = Graph::of(schema)?;
    let order = graph.order()?;
    let mut looks = vec![0_u64; graph.nodes.len()];
    let top = graph.known.get("").copied();
    add(&mut looks, &Vec::from_iter(top), 1);
    let mut steps = 0_u64;
    for values in values_by_depth(content) {
        let mut next = vec![0_u64; graph.nodes.len()];
        for &at in &order {
            let (Some(node), Some(&count)) = (graph.nodes.get(at), looks.get(at)) else {
                continue;
            };
            steps = steps.saturating_add(count.saturating_mul(node.weight).saturating_mul(values));
            add(&mut looks, &node.same, count);
            add(&mut next, &node.below, count);
        }
        looks = next;
    }
    match steps {
        ..=STEPS_MAX => Ok(steps),
        _ => Err(CostError::Work),
    }
}

fn add(looks: &mut [u64], nodes: &[usize], count: u64) {
    for &at in nodes {
        if let Some(looks) = looks.get_mut(at) {
            *looks = looks.saturating_add(count);
        }
    }
}

/// How many values there are at each depth, from the top.
fn values_by_depth(content: &Value) -> Vec<u64> {
    let mut counts = Vec::new();
    let mut level = vec![content];
    while !level.is_empty() {
        counts.push(u64::try_from(level.len()).unwrap_or(u64::MAX));
        level = level.into_iter().flat_map(children).collect();
    }
    // Names of members are looked at, too.
    counts.push(counts.last().copied().unwrap_or(1));
    counts
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(members) => members.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    }
}

struct Graph<'s> {
    schema: &'s Value,
    nodes: Vec<Node<'s>>,
    identifier: &'static str,
    /// By their places.
    known: HashMap<String, usize>,
    /// By name; without one for `$recursiveRef`.
    anchors: HashMap<String, Vec<usize>>,
}

impl<'s> Graph<'s> {
    fn of(schema: &'s Value) -> Result<Self, CostError> {
        let mut graph = Self {
            schema,
            nodes: Vec::new(),
            identifier: identifier(schema),
            known: HashMap::new(),
            anchors: HashMap::new(),
        };
        // Objects under `properties` and the like are no schemas: their members are.
        let mut waiting = vec![(String::new(), schema, false)];
        while let Some((place, value, is_map)) = waiting.pop() {
            match value {
                Value::Object(members) => {
                    for (name, member) in members {
                        if is_map || !is_data(name) {
                            waiting.push((below(&place, name), member, !is_map && is_map_of(name)));
                        }
                    }
                    if !is_map {
                        graph.add(place, members)?;
                    }
                }
                Value::Array(items) => {
                    for (at, item) in items.iter().enumerate() {
                        waiting.push((below(&place, &at.to_string()), item, false));
                    }
                }
                _ => {}
            }
        }
        for at in 0..graph.nodes.len() {
            graph.join(at)?;
        }
        Ok(graph)
    }

    fn add(&mut self, place: String, members: &'s Map<String, Value>) -> Result<(), CostError> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        // From there on references would begin elsewhere.
        if !place.is_empty() && text(self.identifier).is_some() {
            return Err(CostError::Identifier(place));
        }
        let at = self.nodes.len();
        for anchor in ["$anchor", "$dynamicAnchor"].into_iter().filter_map(text) {
            self.anchors.entry(anchor.to_owned()).or_default().push(at);
        }
        if members.contains_key("$recursiveAnchor") {
            self.anchors.entry(String::new()).or_default().push(at);
        }
        self.known.insert(place.clone(), at);
        self.nodes.push(Node {
            weight: weight(members),
            place,
            same: Vec::new(),
            below: Vec::new(),
            members,
        });
        Ok(())
    }

    /// Joins a node with those that it looks through.
    fn join(&mut self, at: usize) -> Result<(), CostError> {
        let Some(node) = self.nodes.get(at) else {
            return Ok(());
        };
        let (mut same, mut deeper) = (Vec::new(), Vec::new());
        for (keyword, value) in node.members {
            let place = below(&node.place, keyword);
            let known = |place: &str| self.known.get(place).copied();
            match (keyword.as_str(), value) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(reference)) => {
                    same.extend(self.named(reference)?);
                }
                (keyword, value) => {
                    let Some(looks) = looks(keyword) else {
                        continue;
                    };
                    let found: Vec<usize> = match value {
                        Value::Object(members) if is_map_of(keyword) => members
                            .keys()
                            .filter_map(|name| known(&below(&place, name)))
                            .collect(),
                        Value::Object(_) => Vec::from_iter(known(&place)),
                        Value::Array(items) => (0..items.len())
                            .filter_map(|at| known(&below(&place, &at.to_string())))
                            .collect(),
                        _ => Vec::new(),
                    };
                    match looks {
                        At::Same => same.extend(found),
                        At::Below => deeper.extend(found),
                    }
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            (node.same, node.below) = (same, deeper);
        }
        Ok(())
    }

    /// The schemas that a reference may lead to.
    fn named(&self, reference: &str) -> Result<Vec<usize>, CostError> {
        let nowhere = || CostError::Reference(reference.to_owned());
        let fragment = reference.strip_prefix('#').ok_or_else(nowhere)?;
        let fragment = percent_decode_str(fragment).decode_utf8_lossy();
        let anchored = self.anchors.get(&*fragment).into_iter().flatten().copied();
        let mut all: Vec<usize> = anchored.collect();
        all.extend(self.known.get(&*fragment));
        // What is true or false is no work.
        let is_plain = || {
            self.schema
                .pointer(&fragment)
                .is_some_and(Value::is_boolean)
        };
        if all.is_empty() && !is_plain() {
            return Err(nowhere());
        }
        Ok(all)
    }

    /// The nodes in an order in which each comes before those that it looks through at the same value.
    fn order(&self) -> Result<Vec<usize>, CostError> {
        let mut before = vec![0_usize; self.nodes.len()];
        for &at in self.nodes.iter().flat_map(|node| &node.same) {
            if let Some(before) = before.get_mut(at) {
                *before += 1;
            }
        }
        let mut length = vec![1_usize; self.nodes.len()];
        let mut ready: Vec<usize> = (0..before.len())
            .filter(|at| before.get(*at) == Some(&0))
            .collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(at) = ready.pop() {
            order.push(at);
            let through = length.get(at).copied().unwrap_or_default() + 1;
            for &next in self.nodes.get(at).iter().flat_map(|node| &node.same) {
                let (Some(before), Some(length)) = (before.get_mut(next), length.get_mut(next))
                else {
                    continue;
                };
                *length = through.max(*length);
                *before -= 1;
                if *before == 0 {
                    ready.push(next);
                }
            }
        }
        if length.iter().any(|length| *length > CHAIN_MAX) {
            return Err(CostError::Chain);
        }
        match before.iter().position(|before| *before > 0) {
            Some(at) => Err(CostError::Circle(
                self.nodes
                    .get(at)
                    .map(|node| node.place.clone())
                    .unwrap_or_default(),
            )),
            None => Ok(order),
        }
    }
}

/// What gives a part of a schema an identifier of its own: JSON Schema had another word for it until draft 6.
fn identifier(schema: &Value) -> &'static str {
    let version = schema.get("$schema").and_then(Value::as_str);
    match version.unwrap_or_default() {
        version if version.contains("draft-04") => "id",
        _ => "$id",
    }
}

/// Where the schemas under a keyword look; `None` of what is no schema, or only a place for references.
fn looks(keyword: &str) -> Option<At> {
    match keyword {
        "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" | "dependentSchemas"
        | "dependencies" | "extends" | "disallow" | "contentSchema" => Some(At::Same),
        "properties"
        | "patternProperties"
        | "additionalProperties"
        | "propertyNames"
        | "unevaluatedProperties"
        | "items"
        | "prefixItems"
        | "additionalItems"
        | "contains"
        | "unevaluatedItems" => Some(At::Below),
        _ => None,
    }
}

/// Whether a keyword holds schemas by name, and is none itself.
fn is_map_of(keyword: &str) -> bool {
    matches!(
        keyword,
        "properties"
            | "patternProperties"
            | "dependentSchemas"
            | "dependencies"
            | "$defs"
            | "definitions"
    )
}

/// Whether what stands under a keyword is no schema, whatever it looks like.
fn is_data(keyword: &str) -> bool {
    matches!(keyword, "enum" | "const" | "default" | "examples")
}

/// What a schema is to look at one value, but for the schemas that it looks through: its keywords, and
/// what these list.
fn weight(members: &Map<String, Value>) -> u64 {
    let listed = members.values().map(|value| match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 1,
    });
    u64::try_from(listed.sum::<usize>())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

/// A JSON Pointer one step longer (RFC 6901).
fn below(place: &str, step: &str) -> String {
    format!("{place}/{}", step.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
