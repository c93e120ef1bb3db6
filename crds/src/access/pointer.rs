//! JSON Pointers (RFC 6901) as policies and requests use them, compared as text.
//!
//! `~0` and `~1` are the only escapes and each key has one spelling, so equal pointers are
//! equal bytes. The root (`""`) and empty keys are not accepted: opening everything is
//! written `allFields: true`, never by a pointer.

/// Whether a text is a pointer that may stand in a policy or a request.
pub fn is_pointer(text: &str) -> bool {
    text.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_key))
}

/// Whether `unit` is what `pointer` names, or something below it. A text that is no pointer
/// has nothing at or below it.
pub fn is_at_or_below(unit: &str, pointer: &str) -> bool {
    unit.strip_prefix(pointer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        && is_pointer(pointer)
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .split('~')
            .skip(1)
            .all(|tail| tail.starts_with(['0', '1']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_schema_accepts() {
        for good in ["/a", "/a/b", "/a~1b/~0", "/é", "/0", "/ "] {
            assert!(is_pointer(good), "{good:?}");
        }
        for bad in ["", "/", "a", "a/b", "//", "/a/", "//a", "/~", "/~2", "/a~"] {
            assert!(!is_pointer(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_pointer_covers_whole_keys_only() {
        assert!(is_at_or_below("/address", "/address"));
        assert!(is_at_or_below("/address/street", "/address"));
        assert!(!is_at_or_below("/addresses", "/address"));
        assert!(!is_at_or_below("/address", "/address/street"));
        assert!(!is_at_or_below("/Address", "/address"));
    }

    #[test]
    fn the_root_and_other_non_pointers_cover_nothing() {
        for bad in ["", "/", "/a/"] {
            for unit in ["/a", "/a/b", "/", "/a/", "//"] {
                assert!(!is_at_or_below(unit, bad), "{bad:?} over {unit:?}");
            }
        }
    }
}
