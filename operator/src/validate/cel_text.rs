//! Whether a user's CEL condition parses. The parser keeps a frame for every level of an
//! expression and has no bound of its own (a chain of operators or brackets ends the
//! process), so the text is bounded before it is parsed, and parsed on a stack of known size.

use kube::core::cel::cel::Program;

/// Longest condition, bytes; the schema has the same bound.
const TEXT_MAX_BYTES: usize = 2048;
/// Deepest nesting of brackets; a condition that a person reads has three or four levels.
const BRACKETS_MAX: usize = 16;
/// Most operators, selections and calls together: each may be one more level of the tree.
const OPERATORS_MAX: usize = 128;
/// Most `? :` choices: each nests the next, and the parser's own bound on nesting fails hard.
const CHOICES_MAX: usize = 16;
/// Stack for the parser: bounded texts need less than a tenth of it.
const STACK_BYTES: usize = 32 * 1024 * 1024;

/// What is wrong with a condition, or nothing.
pub fn wrong(text: &str) -> Option<String> {
    if text.len() > TEXT_MAX_BYTES {
        return Some(format!("longer than {TEXT_MAX_BYTES} bytes"));
    }
    if let Some(wrong) = too_complex(text) {
        return Some(wrong);
    }
    let owned = text.to_owned();
    let parsed = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || {
            Program::compile(&owned)
                .map(|_| ())
                .map_err(|error| error.to_string())
        })
        .map(std::thread::JoinHandle::join);
    match parsed {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => {
            let first = error.lines().next().unwrap_or_default().trim().to_owned();
            Some(format!("not CEL: {first}"))
        }
        Ok(Err(_)) | Err(_) => Some("not CEL".to_owned()),
    }
}

fn too_complex(text: &str) -> Option<String> {
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    let mut choices = 0_usize;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for character in text.chars() {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if character == '\\' {
                escaped = true;
            } else if character == open {
                quote = None;
            }
            continue;
        }
        match character {
            '"' | '\'' => quote = Some(character),
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' => choices = choices.saturating_add(1),
            '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' | '&' | '|' | '.' => {
                operators = operators.saturating_add(1);
            }
            _ => {}
        }
        if depth > BRACKETS_MAX {
            return Some(format!("brackets nested deeper than {BRACKETS_MAX}"));
        }
        if choices > CHOICES_MAX {
            return Some(format!("more than {CHOICES_MAX} choices (? :)"));
        }
        if operators > OPERATORS_MAX {
            return Some(format!("more than {OPERATORS_MAX} operators"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::wrong;

    #[test]
    fn takes_conditions_that_people_write() {
        for text in [
            "claims.country in [\"DE\", \"FR\", \"NL\"]",
            "claims.status == \"authorised\" && \"DE\" in claims.passports",
            "claims.level >= 2",
            "claims.note.contains('((((((((((((((((((((((((((')",
        ] {
            assert_eq!(wrong(text), None, "{text}");
        }
    }

    #[test]
    fn refuses_what_does_not_parse() {
        for text in ["claims.level >=", "claims.", "(", "a b", "'open", "\u{0}"] {
            assert!(wrong(text).is_some(), "{text}");
        }
    }

    #[test]
    fn refuses_what_would_exhaust_the_parsers_stack() {
        for text in [
            "(".repeat(500),
            "[".repeat(500),
            "!".repeat(2000),
            "-".repeat(2000),
            "a.".repeat(1000),
            "a?b:".repeat(500),
            "a+".repeat(1000),
            "\u{22}".repeat(2000) + &"(".repeat(40),
            "x".repeat(5000),
        ] {
            assert!(wrong(&text).is_some(), "{}", &text[..20]);
        }
    }

    #[test]
    fn survives_the_most_complex_text_that_the_bounds_admit() {
        let text = format!("{}a{}", "(".repeat(16), ")".repeat(16));
        assert_eq!(wrong(&text), None);
        let text = format!("a{}", "+a".repeat(128));
        assert_eq!(wrong(&text), None);
        assert!(wrong(&format!("{}a", "!".repeat(128))).is_none());
        assert!(wrong(&format!("{}b", "a?b:".repeat(16))).is_none());
    }
}
