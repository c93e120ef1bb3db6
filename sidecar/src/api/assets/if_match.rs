//! `If-Match` (RFC 9110 §13.1.1): which version may be replaced.

use axum::http::{HeaderMap, header};

/// What the header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// Any version, but one there must be.
    Any,
    /// The version with one of these entity tags, here without their quotes. Weak tags are left
    /// out: the comparison is the strong one, under which they match nothing.
    One(Vec<String>),
}

/// The header is neither `*` nor a list of entity tags in double quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoEntityTag;

impl IfMatch {
    /// What the headers ask for; `None` without `If-Match`.
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>, NoEntityTag> {
        let mut tags = Vec::new();
        let mut any = false;
        let given = headers.get_all(header::IF_MATCH);
        for value in &given {
            let value = value.to_str().map_err(|_| NoEntityTag)?.trim();
            if value == "*" {
                any = true;
            } else {
                tags.extend(list(value)?);
            }
        }
        Ok(if any {
            Some(Self::Any)
        } else {
            given.iter().next().map(|_| Self::One(tags))
        })
    }

    /// Whether the version with this entity tag may be replaced; `None`: there is no version.
    pub(super) fn permits(&self, current: Option<&str>) -> bool {
        match self {
            Self::Any => current.is_some(),
            Self::One(tags) => current.is_some_and(|tag| tags.iter().any(|one| one == tag)),
        }
    }
}

/// The strong tags of a list. A tag may hold commas; between tags they are the list's.
fn list(mut rest: &str) -> Result<Vec<String>, NoEntityTag> {
    let separator = [',', ' ', '\t'];
    let mut tags = Vec::new();
    rest = rest.trim_start_matches(separator);
    while !rest.is_empty() {
        let (weak, opaque) = match rest.strip_prefix("W/") {
            Some(opaque) => (true, opaque),
            None => (false, rest),
        };
        let inner = opaque.strip_prefix('"').ok_or(NoEntityTag)?;
        let (tag, after) = inner.split_once('"').ok_or(NoEntityTag)?;
        rest = after.trim_start_matches(separator);
        // Something between two tags that is no comma.
        if !rest.is_empty() && !after.trim_start().starts_with(',') {
            return Err(NoEntityTag);
        }
        if !weak {
            tags.push(tag.to_owned());
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<Option<IfMatch>, NoEntityTag> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        IfMatch::read(&headers)
    }

    fn one(tags: &[&str]) -> Result<Option<IfMatch>, NoEntityTag> {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        Ok(Some(IfMatch::One(tags)))
    }

    #[test]
    fn entity_tags_stand_in_quotes() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["*"]), Ok(Some(IfMatch::Any)));
        assert_eq!(read(&["\"aa\""]), one(&["aa"]));
        assert_eq!(read(&[" \"aa\" ,, \"b,b\""]), one(&["aa", "b,b"]));
        assert_eq!(read(&["\"aa\"", "\"bb\""]), one(&["aa", "bb"]));
        assert_eq!(read(&["W/\"aa\", \"bb\""]), one(&["bb"]));
        assert_eq!(read(&[""]), one(&[]));
    }

    #[test]
    fn anything_else_is_no_entity_tag() {
        for value in [
            "aa",
            "'aa'",
            "\"aa",
            "aa\"",
            "\"aa\" \"bb\"",
            "\"aa\"bb",
            "\"aa\", bb",
            "w/\"aa\"",
            "*, \"aa\"",
        ] {
            assert_eq!(read(&[value]), Err(NoEntityTag), "{value}");
        }
    }

    #[test]
    fn nothing_matches_a_version_that_is_not_there() {
        assert!(!IfMatch::Any.permits(None));
        assert!(IfMatch::Any.permits(Some("aa")));
        let one = IfMatch::One(vec!["aa".to_owned()]);
        assert!(one.permits(Some("aa")) && !one.permits(Some("ab")) && !one.permits(None));
    }
}
