//! Label selectors: the Kubernetes semantics, over a bounded schema.

use std::collections::BTreeMap;
use std::fmt;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Selects objects by their labels. All parts must hold; an empty selector is refused
/// (write `all: true` if everything is meant).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)")
        .message("an empty selector selects nothing and is refused: name labels in matchLabels or matchExpressions, or write all: true instead of selector")
)]
pub struct LabelSelector {
    /// Labels that must be present with exactly these values.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "schema::match_labels")]
    pub match_labels: Labels,
    /// Further requirements; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One requirement on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.operator in ['In', 'NotIn'] ? (has(self.values) && size(self.values) > 0) : (!has(self.values) || size(self.values) == 0)")
        .message("In and NotIn need at least one value; Exists and DoesNotExist take none")
        .field_path(".values")
)]
pub struct LabelRequirement {
    /// The label.
    #[schemars(length(min = 1, max = 316))]
    pub key: String,
    /// How the label is compared.
    pub operator: LabelOperator,
    /// Values for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum LabelOperator {
    /// The label is present with one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl LabelSelector {
    /// Whether an object with these labels is selected. A selector without any
    /// requirement selects nothing, so that a mistake never widens access.
    pub fn matches(&self, labels: &Labels) -> bool {
        if self.match_labels.is_empty() && self.match_expressions.is_empty() {
            return false;
        }
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|r| r.holds(labels))
    }
}

/// As kubectl writes it: `desk=fixed-income,tier in (a,b)`.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.match_labels.iter();
        let labels = labels.map(|(key, value)| format!("{key}={value}"));
        let requirements = self.match_expressions.iter().map(|r| match r.operator {
            LabelOperator::In => format!("{} in ({})", r.key, r.values.join(",")),
            LabelOperator::NotIn => format!("{} notin ({})", r.key, r.values.join(",")),
            LabelOperator::Exists => r.key.clone(),
            LabelOperator::DoesNotExist => format!("!{}", r.key),
        });
        let all: Vec<String> = labels.chain(requirements).collect();
        f.write_str(&all.join(","))
    }
}

impl LabelRequirement {
    /// In and NotIn without values, and Exists and DoesNotExist with some, are refused by the
    /// schema; here they hold for nobody, because "not in nothing" would be everybody.
    fn holds(&self, labels: &Labels) -> bool {
        let compares = matches!(self.operator, LabelOperator::In | LabelOperator::NotIn);
        if compares == self.values.is_empty() {
            return false;
        }
        let value = labels.get(&self.key);
        match self.operator {
            LabelOperator::In => value.is_some_and(|v| self.values.contains(v)),
            LabelOperator::NotIn => !value.is_some_and(|v| self.values.contains(v)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn requirement(key: &str, operator: LabelOperator, values: &[&str]) -> LabelRequirement {
        LabelRequirement {
            key: key.to_owned(),
            operator,
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        }
    }

    #[test]
    fn an_empty_selector_selects_nothing() {
        assert!(!LabelSelector::default().matches(&labels(&[("desk", "fixed-income")])));
        assert!(!LabelSelector::default().matches(&Labels::new()));
    }

    #[test]
    fn every_part_of_a_selector_must_hold() {
        let selector = LabelSelector {
            match_labels: labels(&[("desk", "fixed-income")]),
            match_expressions: vec![requirement("region", LabelOperator::In, &["eu", "uk"])],
        };
        assert!(selector.matches(&labels(&[("desk", "fixed-income"), ("region", "eu")])));
        assert!(!selector.matches(&labels(&[("desk", "fixed-income"), ("region", "us")])));
        assert!(!selector.matches(&labels(&[("desk", "fixed-income")])));
        assert!(!selector.matches(&labels(&[("region", "eu")])));
    }

    #[test]
    fn a_requirement_that_the_schema_refuses_holds_for_nobody() {
        for (operator, values) in [
            (LabelOperator::In, &[][..]),
            (LabelOperator::NotIn, &[]),
            (LabelOperator::Exists, &["a"]),
            (LabelOperator::DoesNotExist, &["a"]),
        ] {
            let r = requirement("tier", operator, values);
            assert!(!r.holds(&labels(&[("tier", "a")])), "{operator:?}");
            assert!(!r.holds(&Labels::new()), "{operator:?}");
        }
    }

    #[test]
    fn operators_follow_kubernetes() {
        let with = labels(&[("tier", "a")]);
        let without = Labels::new();
        for (operator, values, on_with, on_without) in [
            (LabelOperator::In, vec!["a"], true, false),
            (LabelOperator::In, vec!["b"], false, false),
            (LabelOperator::NotIn, vec!["a"], false, true),
            (LabelOperator::NotIn, vec!["b"], true, true),
            (LabelOperator::Exists, vec![], true, false),
            (LabelOperator::DoesNotExist, vec![], false, true),
        ] {
            let r = requirement("tier", operator, &values);
            assert_eq!(r.holds(&with), on_with, "{operator:?} {values:?}");
            assert_eq!(r.holds(&without), on_without, "{operator:?} {values:?}");
        }
    }
}
