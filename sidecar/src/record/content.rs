//! What a record says, before it is signed: a JSON object within bounds, and which of its
//! objects are opened.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use super::json::{self, JsonError};
use super::pointer::{Pointer, PointerError, join};
use super::units::Units;

/// Largest content, in bytes, as received and as signed: with salts, digests and base64
/// around it, it still fits in one answer of 1 MiB.
pub const MAX_CONTENT_BYTES: usize = 256 * 1024;
/// Most disclosures of one record, opened objects counted too.
pub const MAX_UNITS: usize = 256;
/// Most names in the pointer of a unit: objects are opened down to here and no further.
pub const MAX_UNIT_DEPTH: usize = 8;
/// Names that RFC 9901 uses itself: §4.2.1, §4.2.4.2 and §4.1.1.
const RESERVED_NAMES: [&str; 3] = ["_sd", "...", "_sd_alg"];

/// The validated content of a record. Private: its values are in no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Content(Map<String, Value>);

/// Which objects of the content are opened, so that their members are units of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The objects at these pointers, and the objects around them (assets). A pointer that
    /// names no object of this version opens nothing.
    Objects(BTreeSet<Pointer>),
    /// Every object, down to [`MAX_UNIT_DEPTH`] (users).
    Every,
}

/// Why a content cannot become a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// It is larger than [`MAX_CONTENT_BYTES`].
    #[error("the content is larger than {MAX_CONTENT_BYTES} bytes")]
    TooLarge,
    /// It is no JSON, or JSON that two readers may see differently.
    #[error("the content is refused: {0}")]
    Json(JsonError),
    /// It is JSON, but not an object.
    #[error("the content must be a JSON object")]
    NotAnObject,
    /// A member has a name that SD-JWT uses itself.
    #[error("a member may not be named '_sd', '_sd_alg' or '...'")]
    ReservedName,
    /// It has more than [`MAX_UNITS`] units.
    #[error("the content has more than {MAX_UNITS} disclosure units; open fewer objects")]
    TooManyUnits,
    /// The name of a unit is too long to be asked for.
    #[error("the name of a disclosure unit cannot be used: {0}")]
    UnitName(PointerError),
}

impl Content {
    /// Reads and checks the text of a content.
    ///
    /// # Errors
    /// When the text is over a bound, is not a JSON object that every reader sees alike, or
    /// has a reserved name anywhere in it.
    pub fn parse(text: &[u8]) -> Result<Self, ContentError> {
        if text.len() > MAX_CONTENT_BYTES {
            return Err(ContentError::TooLarge);
        }
        let Value::Object(object) = json::parse(text).map_err(ContentError::Json)? else {
            return Err(ContentError::NotAnObject);
        };
        if object
            .iter()
            .any(|(name, value)| is_reserved(name) || names_reserved(value))
        {
            return Err(ContentError::ReservedName);
        }
        let value = Value::Object(object);
        // The text may have been shorter than what is signed: 1e15 is written out.
        if value.to_string().len() > MAX_CONTENT_BYTES {
            return Err(ContentError::TooLarge);
        }
        match value {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(ContentError::NotAnObject),
        }
    }

    /// The members. Private data: for the store, the schema check and the local API only.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The units that a grant can open: the members of `data` and of opened objects which
    /// are not themselves opened.
    ///
    /// # Errors
    /// When there are too many, or one has a name that cannot be asked for.
    pub fn units(&self, opening: &Opening) -> Result<Units, ContentError> {
        let mut walk = UnitWalk {
            opening: opening.with_parents(),
            disclosures: 0,
            units: BTreeSet::new(),
        };
        walk.object("", &self.0)?;
        Ok(Units::from(walk.units))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Content({} members)", self.0.len())
    }
}

impl Opening {
    /// The same, with the objects around each opened one named too.
    pub(super) fn with_parents(&self) -> Self {
        match self {
            Self::Every => Self::Every,
            Self::Objects(listed) => Self::Objects(
                listed
                    .iter()
                    .flat_map(|pointer| {
                        std::iter::successors(Some(pointer.clone()), Pointer::parent)
                    })
                    .collect(),
            ),
        }
    }

    /// The members of `value`, if an object at `pointer` is opened by this. An empty object
    /// has nothing to open: it is a unit itself, or nobody could ever see that it is there.
    pub(super) fn opened<'v>(
        &self,
        pointer: &Pointer,
        value: &'v Value,
    ) -> Option<&'v Map<String, Value>> {
        let listed = match self {
            Self::Every => true,
            Self::Objects(pointers) => pointers.contains(pointer),
        };
        let members = value.as_object().filter(|members| !members.is_empty())?;
        (listed && pointer.depth() < MAX_UNIT_DEPTH).then_some(members)
    }
}

struct UnitWalk {
    opening: Opening,
    disclosures: usize,
    units: BTreeSet<Pointer>,
}

impl UnitWalk {
    fn object(&mut self, prefix: &str, members: &Map<String, Value>) -> Result<(), ContentError> {
        for (name, value) in members {
            self.disclosures += 1;
            if self.disclosures > MAX_UNITS {
                return Err(ContentError::TooManyUnits);
            }
            let pointer = Pointer::parse(&join(prefix, name)).map_err(ContentError::UnitName)?;
            if let Some(inner) = self.opening.opened(&pointer, value) {
                self.object(pointer.as_str(), inner)?;
            } else {
                self.units.insert(pointer);
            }
        }
        Ok(())
    }
}

/// Whether SD-JWT uses this name itself.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED_NAMES.contains(&name)
}

/// Whether a reserved name stands anywhere inside; the depth is bounded by the parser.
pub(super) fn names_reserved(value: &Value) -> bool {
    match value {
        Value::Object(object) => object
            .iter()
            .any(|(name, inner)| is_reserved(name) || names_reserved(inner)),
        Value::Array(items) => items.iter().any(names_reserved),
        _ => false,
    }
}
