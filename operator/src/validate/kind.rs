//! One kind's schema and rules, compiled.

use std::fmt;

use kube::core::cel;
use serde_json::Value;

use super::CheckerError;

/// What the objects of one kind are checked against.
pub struct KindChecks {
    /// The CRD's schema, as it is installed.
    pub schema: Value,
    /// The same, compiled.
    pub validator: jsonschema::Validator,
    /// Its CEL rules, compiled.
    pub rules: cel::CompiledSchema,
    /// What evaluates them.
    pub evaluator: cel::Validator,
}

impl KindChecks {
    /// Compiles the schema and the rules of one CRD.
    pub fn new(kind: &str, schema: Value) -> Result<Self, CheckerError> {
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .build(&schema)
            .map_err(|_| CheckerError::Schema(kind.to_owned()))?;
        let rules = cel::compile_schema(&schema);
        if is_broken(&rules) {
            return Err(CheckerError::Rule(kind.to_owned()));
        }
        Ok(Self {
            schema,
            validator,
            rules,
            evaluator: cel::Validator::new(),
        })
    }
}

/// Whether some rule below does not compile.
fn is_broken(rules: &cel::CompiledSchema) -> bool {
    rules.has_errors()
        || rules.properties.values().any(is_broken)
        || rules.items.as_deref().is_some_and(is_broken)
        || rules
            .additional_properties
            .as_deref()
            .is_some_and(is_broken)
}

impl fmt::Debug for KindChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KindChecks").finish_non_exhaustive()
    }
}
