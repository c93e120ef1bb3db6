//! The disclosure units of one record.
//!
//! Which of them a reader gets is not decided here: the access model has the rules, takes
//! [`Units::names`] and returns the units to disclose.

use std::collections::BTreeSet;

use super::pointer::Pointer;

/// The units of a record that a grant can open, in the order of their pointers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Units(BTreeSet<Pointer>);

impl Units {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Pointer> {
        self.0.iter()
    }

    /// All of them as the access model takes them.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|unit| unit.as_str().to_owned()).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the record has no unit at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one of the units.
    #[must_use]
    pub fn contains(&self, unit: &Pointer) -> bool {
        self.0.contains(unit)
    }
}

impl From<BTreeSet<Pointer>> for Units {
    fn from(units: BTreeSet<Pointer>) -> Self {
        Self(units)
    }
}
