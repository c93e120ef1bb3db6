//! The disclosure units of one record, and which of them a set of pointers names.

use std::collections::BTreeSet;

use super::pointer::Pointer;

/// The units of a record that a grant can open, in the order of their pointers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Units(BTreeSet<Pointer>);

/// What is wanted of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Every unit there is, now and in later versions.
    All,
    /// The units at or below these pointers.
    Listed(BTreeSet<Pointer>),
}

impl Units {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Pointer> {
        self.0.iter()
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

    /// The units that `pointer` names: itself, or those inside it. Never one above it, so a
    /// pointer into an atomic value names nothing.
    pub fn at_or_below(&self, pointer: &Pointer) -> impl Iterator<Item = &Pointer> {
        self.0
            .iter()
            .filter(move |unit| unit.is_at_or_below(pointer))
    }

    /// What a *grant* for `wanted` opens here. A pointer that names no unit opens nothing
    /// and takes nothing away from the others.
    #[must_use]
    pub fn select(&self, wanted: &Wanted) -> BTreeSet<Pointer> {
        match wanted {
            Wanted::All => self.0.clone(),
            Wanted::Listed(pointers) => pointers
                .iter()
                .flat_map(|pointer| self.at_or_below(pointer))
                .cloned()
                .collect(),
        }
    }

    /// What a *request* for `pointers` asks for, or `None` when one of them names no unit:
    /// to the one who asks, unknown and ungranted are the same.
    #[must_use]
    pub fn requested(&self, pointers: &BTreeSet<Pointer>) -> Option<BTreeSet<Pointer>> {
        let mut units = BTreeSet::new();
        for pointer in pointers {
            let mut named = self.at_or_below(pointer).peekable();
            named.peek()?;
            units.extend(named.cloned());
        }
        Some(units)
    }
}

impl From<BTreeSet<Pointer>> for Units {
    fn from(units: BTreeSet<Pointer>) -> Self {
        Self(units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(texts: &[&str]) -> BTreeSet<Pointer> {
        texts
            .iter()
            .map(|text| Pointer::parse(text).unwrap())
            .collect()
    }

    fn units() -> Units {
        Units::from(pointers(&[
            "/name",
            "/address/street",
            "/address/country",
            "/address2",
            "/tags",
        ]))
    }

    #[test]
    fn a_granted_pointer_opens_the_units_at_or_below_it_and_never_above() {
        let opened = |texts: &[&str]| units().select(&Wanted::Listed(pointers(texts)));
        assert_eq!(
            opened(&["/address"]),
            pointers(&["/address/street", "/address/country"])
        );
        assert_eq!(
            opened(&["/address/country", "/name"]),
            pointers(&["/address/country", "/name"])
        );
        assert_eq!(opened(&["/tags/0"]), pointers(&[]));
        assert_eq!(opened(&["/nothing", "/name"]), pointers(&["/name"]));
        assert_eq!(opened(&[]), pointers(&[]));
        assert_eq!(units().select(&Wanted::All).len(), 5);
    }

    #[test]
    fn a_request_that_names_nothing_asks_for_something_unknown() {
        assert_eq!(
            units().requested(&pointers(&["/address"])),
            Some(pointers(&["/address/street", "/address/country"]))
        );
        assert_eq!(
            units().requested(&pointers(&["/address", "/nothing"])),
            None
        );
        assert_eq!(units().requested(&pointers(&["/tags/0"])), None);
    }
}
