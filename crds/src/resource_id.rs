//! Resource ids: `<organization>:<type>:<id>`. The first part is the Primary, the only
//! organization that may answer for the resource.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest organization id, bytes. A DNS label, because it names objects and hosts.
pub const ORGANIZATION_MAX_BYTES: usize = 63;
/// Longest asset or user id, bytes. Room for an ISIN, a UUID or a URN-like house id.
pub const ID_MAX_BYTES: usize = 128;
/// Schema pattern of an organization id: a lower-case DNS label, hence no colon.
pub const ORGANIZATION_PATTERN: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// Schema pattern of an asset id: ASCII letters, digits and `._-`, hence no colon.
pub const ID_PATTERN: &str = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";

/// What a resource id names. 101 and 102 are FinP2P's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// A user (101).
    User,
    /// An asset (102).
    Asset,
    /// Any other number: well formed, but nothing this version can share.
    Other(u16),
}

impl ResourceType {
    /// The number in the resource id.
    pub fn number(self) -> u16 {
        match self {
            Self::User => 101,
            Self::Asset => 102,
            Self::Other(number) => number,
        }
    }

    fn from_number(number: u16) -> Self {
        match number {
            101 => Self::User,
            102 => Self::Asset,
            other => Self::Other(other),
        }
    }
}

/// `<organization>:<type>:<id>`, checked. Comparison is by bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId {
    organization: String,
    kind: ResourceType,
    id: String,
}

/// Why a text is not a resource id. Says nothing of the text itself, which may be hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceIdError {
    /// Not three parts.
    #[error(
        "a resource id has three parts: organization:type:id, for example bank-a:102:ZZGREEN20318"
    )]
    Parts,
    /// The organization is not a DNS label.
    #[error(
        "the organization of a resource id is 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
    )]
    Organization,
    /// The type is not a number.
    #[error(
        "the type of a resource id is a number from 1 to 65535 without leading zero (101 user, 102 asset)"
    )]
    Type,
    /// The id has characters outside the allowed ones, or a wrong length.
    #[error(
        "the id of a resource id is 1 to 128 of A-Z, a-z, 0-9, . _ and -, with a letter or digit at both ends"
    )]
    Id,
}

impl ResourceId {
    /// Builds an id from its parts.
    ///
    /// # Errors
    /// [`ResourceIdError`] names the part that is not well formed.
    pub fn new(organization: &str, kind: ResourceType, id: &str) -> Result<Self, ResourceIdError> {
        if !is_organization(organization) {
            return Err(ResourceIdError::Organization);
        }
        if kind.number() == 0 {
            return Err(ResourceIdError::Type);
        }
        if !is_id(id) {
            return Err(ResourceIdError::Id);
        }
        Ok(Self {
            organization: organization.to_owned(),
            kind: ResourceType::from_number(kind.number()),
            id: id.to_owned(),
        })
    }

    /// The Primary.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// What the id names.
    pub fn kind(&self) -> ResourceType {
        self.kind
    }

    /// The part after the type.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Whether a text is a well-formed organization id.
pub fn is_organization(text: &str) -> bool {
    text.len() <= ORGANIZATION_MAX_BYTES
        && edges(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether a text is a well-formed asset or user id.
pub fn is_id(text: &str) -> bool {
    text.len() <= ID_MAX_BYTES
        && edges(text, |b| b.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn edges(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(&allowed) && bytes.last().copied().is_some_and(&allowed)
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ':');
        let (Some(organization), Some(kind), Some(id)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(ResourceIdError::Parts);
        };
        let number = match kind.bytes().next() {
            Some(b'1'..=b'9') if kind.len() <= 5 && kind.bytes().all(|b| b.is_ascii_digit()) => {
                kind.parse().map_err(|_| ResourceIdError::Type)?
            }
            _ => return Err(ResourceIdError::Type),
        };
        Self::new(organization, ResourceType::from_number(number), id)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}",
            self.organization,
            self.kind.number(),
            self.id
        )
    }
}

impl TryFrom<String> for ResourceId {
    type Error = ResourceIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_prints() {
        for text in [
            "bank-a:102:XS2712345672",
            "b:101:u.1",
            "bank:1000:x_y-z",
            "bank:65535:A",
        ] {
            let id: ResourceId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_not_a_resource_id() {
        use ResourceIdError::{Id, Organization, Parts, Type};
        let long = "a".repeat(64);
        for (text, error) in [
            ("", Parts),
            ("bank-a", Parts),
            ("bank-a:102", Parts),
            (":102:x", Organization),
            ("Bank:102:x", Organization),
            ("-bank:102:x", Organization),
            ("bank-:102:x", Organization),
            ("b\u{430}nk:102:x", Organization),
            (&format!("{long}:102:x"), Organization),
            ("bank::x", Type),
            ("bank:0:x", Type),
            ("bank:0102:x", Type),
            ("bank:+102:x", Type),
            ("bank:65536:x", Type),
            ("bank:102:", Id),
            ("bank:102:a:b", Id),
            ("bank:102:a b", Id),
            ("bank:102:.a", Id),
            (&format!("bank:102:{}", "a".repeat(129)), Id),
        ] {
            assert_eq!(text.parse::<ResourceId>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_same_number_is_the_same_type() {
        let by_number = ResourceId::new("bank", ResourceType::Other(102), "x").unwrap();
        assert_eq!(by_number.kind(), ResourceType::Asset);
    }
}
