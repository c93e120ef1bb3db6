//! What `--log` takes: one rule for operator and node.
//!
//! Whoever reads such a filter (tracing-subscriber) takes a word that is no level for a part of the
//! program, and from then on only that part is logged: one letter too many in a level silenced
//! everything.

/// What a level can be. Numbers are levels, too: 0 is `off`, 5 is `trace`.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Why a filter is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It says nothing, and nothing would be logged.
    #[error("--log is empty: write {wanted}", wanted = WANTED)]
    Empty,
    /// A word alone that is no level.
    #[error("--log: {word:?} is no level: write {wanted}", word = .0, wanted = WANTED)]
    NoLevel(String),
}

const WANTED: &str = "off, error, warn, info, debug or trace, or such a level for a part of the program (for example info,libp2p=debug)";

/// The directives of a filter, without the blanks around them, of which the reader of the filter
/// would make a part of that name.
///
/// # Errors
/// [`FilterError`] when a directive is a word that is no level, or there is none.
pub fn directives(filter: &str) -> Result<String, FilterError> {
    let directives = filter.split(',').map(str::trim);
    let directives: Vec<&str> = directives.filter(|word| !word.is_empty()).collect();
    if directives.is_empty() {
        return Err(FilterError::Empty);
    }
    let is_bare = |word: &&&str| !word.contains(['=', '[', ']', '{', '}']);
    let mut bare = directives.iter().filter(is_bare);
    match bare.find(|word| !is_level(word)) {
        Some(word) => Err(FilterError::NoLevel((*word).to_owned())),
        None => Ok(directives.join(",")),
    }
}

fn is_level(word: &str) -> bool {
    let number = word.parse::<usize>();
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
        || number.is_ok_and(|number| number < LEVELS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_and_said() {
        for (filter, word) in [
            ("infoo", "infoo"),
            ("info,finp2p_operator", "finp2p_operator"),
            ("6", "6"),
            ("info debug", "info debug"),
        ] {
            let refused = directives(filter);
            assert_eq!(refused, Err(FilterError::NoLevel(word.to_owned())));
        }
        let said = directives("infoo").unwrap_err().to_string();
        assert!(said.starts_with("--log: \"infoo\" is no level: write off, error, warn, info"));
        for filter in ["", " ", ","] {
            assert_eq!(directives(filter), Err(FilterError::Empty));
        }
    }

    #[test]
    fn levels_and_parts_with_a_level_pass_without_the_blanks_around_them() {
        for filter in [
            "info",
            "DEBUG",
            "0",
            "info,libp2p=warn,kube_client=off",
            "warn,finp2p_sidecar[request{peer=bank-b}]=trace",
        ] {
            assert_eq!(directives(filter).as_deref(), Ok(filter));
        }
        let blanks = directives(" info, libp2p=debug ,");
        assert_eq!(blanks.as_deref(), Ok("info,libp2p=debug"));
    }
}
