//! Schema pieces that derive macros cannot express: opaque objects, CRD list types,
//! and the condition list that every status has.

use schemars::{Schema, SchemaGenerator, json_schema};

/// An object that passes through unread (a pod template overlay, resource requirements).
pub fn opaque_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A bounded list of objects that pass through unread (NetworkPolicy egress rules).
pub fn opaque_objects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
    })
}

/// `true`, or the field is absent: `false` would read like a decision and is not one.
pub fn only_true(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "boolean", "enum": [true]})
}

/// Labels that must be present with exactly these values; a value of a label has at most 63
/// characters.
pub fn match_labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63}
    })
}

/// The standard condition list: one entry per type, merged by `type` in server-side apply.
pub fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "What is true of this object now. `Ready` sums the others up; a condition that is False says in `message` how to mend it.",
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {"type": "string", "maxLength": 316, "description": "The condition, an adjective: Ready, Accepted, ResolvedRefs, Programmed."},
                "status": {"type": "string", "enum": ["True", "False", "Unknown"], "description": "Whether the condition holds."},
                "observedGeneration": {"type": "integer", "format": "int64", "minimum": -1, "description": "The generation of the object this verdict is about."},
                "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When `status` last changed."},
                "reason": {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", "description": "One word for programs."},
                "message": {"type": "string", "maxLength": 32768, "description": "One sentence for people: what is wrong and how to mend it."}
            }
        }
    })
}
