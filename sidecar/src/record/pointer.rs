//! JSON Pointers (RFC 6901), the names of disclosure units.

use std::fmt;

use finp2p_wire::limits::POINTER_MAX_BYTES;

/// Longest pointer, in bytes of its escaped text: what a request can name. A unit with a longer
/// one could be granted with all others and never be asked for.
pub const MAX_POINTER_BYTES: usize = POINTER_MAX_BYTES;
/// Most reference tokens in a pointer: twice the depth to which units go, so that a policy
/// may name something deeper (it opens nothing) without being a parse error.
pub const MAX_POINTER_TOKENS: usize = 16;

/// A non-empty JSON Pointer, relative to the `data` of a record, in its escaped form.
///
/// The empty pointer, which would name the whole document, is not a `Pointer`: "all of it"
/// is never implied. Two pointers are equal when their texts are: RFC 6901 has one escaped
/// form per name.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer(String);

/// Why a text is not a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PointerError {
    /// The pointer is empty, which would name the whole document.
    #[error("an empty pointer names everything; list the members, or ask for all in words")]
    Empty,
    /// It does not begin with a slash.
    #[error("a JSON pointer begins with '/'")]
    NoLeadingSlash,
    /// A `~` stands without `0` or `1` behind it.
    #[error("'~' in a JSON pointer is written '~0', and '/' inside a name '~1'")]
    Escape,
    /// It is longer than [`MAX_POINTER_BYTES`].
    #[error("the pointer is longer than {MAX_POINTER_BYTES} bytes")]
    TooLong,
    /// It has more than [`MAX_POINTER_TOKENS`] names.
    #[error("the pointer has more than {MAX_POINTER_TOKENS} names")]
    TooDeep,
}

impl Pointer {
    /// Reads an escaped pointer such as `/address/country`.
    ///
    /// # Errors
    /// When the text is no pointer of RFC 6901 §3, is empty, or is over a bound.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if text.is_empty() {
            return Err(PointerError::Empty);
        }
        if text.len() > MAX_POINTER_BYTES {
            return Err(PointerError::TooLong);
        }
        if !text.starts_with('/') {
            return Err(PointerError::NoLeadingSlash);
        }
        if text
            .split('~')
            .skip(1)
            .any(|rest| !rest.starts_with(['0', '1']))
        {
            return Err(PointerError::Escape);
        }
        if text.matches('/').count() > MAX_POINTER_TOKENS {
            return Err(PointerError::TooDeep);
        }
        Ok(Self(text.to_owned()))
    }

    /// The escaped text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number of names in it, at least 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.matches('/').count()
    }

    /// The pointer to the object that holds this member; `None` for a member of `data`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (head, _) = self.0.rsplit_once('/')?;
        (!head.is_empty()).then(|| Self(head.to_owned()))
    }
}

/// `prefix` extended by one name, escaped (RFC 6901 §4); `prefix` may be empty.
pub(super) fn join(prefix: &str, name: &str) -> String {
    let mut text = format!("{prefix}/");
    for character in name.chars() {
        match character {
            '~' => text.push_str("~0"),
            '/' => text.push_str("~1"),
            other => text.push(other),
        }
    }
    text
}

impl fmt::Display for Pointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl TryFrom<String> for Pointer {
    type Error = PointerError;

    fn try_from(text: String) -> Result<Self, PointerError> {
        Self::parse(&text)
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(text: &str) -> Pointer {
        Pointer::parse(text).unwrap()
    }

    #[test]
    fn takes_the_pointers_of_rfc_6901_section_5_but_not_the_empty_one() {
        for text in [
            "/foo", "/foo/0", "/", "/a~1b", "/c%d", "/e^f", "/g|h", "/i\\j", "/k\"l", "/ ", "/m~0n",
        ] {
            assert_eq!(pointer(text).as_str(), text);
        }
        assert_eq!(Pointer::parse(""), Err(PointerError::Empty));
    }

    #[test]
    fn refuses_what_is_no_pointer_or_over_a_bound() {
        assert_eq!(Pointer::parse("name"), Err(PointerError::NoLeadingSlash));
        for text in ["/~", "/~2", "/a~", "/a~/b", "/~~0"] {
            assert_eq!(Pointer::parse(text), Err(PointerError::Escape), "{text}");
        }
        let longest = format!("/{}", "a".repeat(MAX_POINTER_BYTES - 1));
        assert!(Pointer::parse(&longest).is_ok());
        assert_eq!(
            Pointer::parse(&format!("{longest}a")),
            Err(PointerError::TooLong)
        );
        assert!(Pointer::parse(&"/a".repeat(MAX_POINTER_TOKENS)).is_ok());
        assert_eq!(
            Pointer::parse(&"/a".repeat(MAX_POINTER_TOKENS + 1)),
            Err(PointerError::TooDeep)
        );
    }

    #[test]
    fn a_joined_name_is_escaped_and_the_parent_takes_it_away_again() {
        let joined = pointer(&join("/a", "x~y/z"));
        assert_eq!(joined.as_str(), "/a/x~0y~1z");
        assert_eq!(joined.parent(), Some(pointer("/a")));
        assert_eq!(joined.depth(), 2);
        assert_eq!(pointer("/a").parent(), None);
    }
}
