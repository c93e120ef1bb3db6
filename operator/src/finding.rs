//! A finding: one thing that is wrong with what a user wrote, where it stands, and how to
//! mend it. What `validate` prints and what local mode shows.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// Longest piece of a user's text that a message quotes, characters: enough to recognize
/// it, short enough that a hostile file cannot flood a terminal.
const QUOTE_MAX_CHARS: usize = 60;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The object is refused, or grants less than it says.
    Error,
    /// It works, but probably not as it was meant.
    Warning,
}

/// One thing that is wrong. Ordered by where it stands, so that a report reads top down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// File as it was named by the user (`-` is standard input).
    pub file: String,
    /// Line in it, from 1; absent when the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in it, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Error or warning.
    pub severity: Severity,
    /// Kind of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Field as a JSON Pointer into the object (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// One PascalCase word for programs.
    pub reason: String,
    /// What is wrong, one sentence.
    pub message: String,
    /// How to mend it, one sentence.
    pub cure: String,
}

impl Finding {
    /// An error about a whole file.
    pub fn error(file: &str, reason: &str, message: impl Into<String>, cure: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            severity: Severity::Error,
            kind: None,
            namespace: None,
            name: None,
            field: None,
            reason: reason.to_owned(),
            message: message.into(),
            cure: cure.to_owned(),
        }
    }

    /// The same as a warning.
    #[must_use]
    pub fn warn(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// The same at a line and column, both from 1.
    #[must_use]
    pub fn at(mut self, line: u32, column: u32) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// A user's text inside a message: in backticks, control characters escaped, shortened.
pub fn quote(text: &str) -> Quoted<'_> {
    Quoted(text)
}

/// What [`quote`] returns.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`")?;
        for (index, character) in self.0.chars().enumerate() {
            if index == QUOTE_MAX_CHARS {
                f.write_str("…")?;
                break;
            }
            if character.is_control() || is_hidden(character) {
                write!(f, "{}", character.escape_unicode())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        f.write_str("`")
    }
}

/// Characters that make a text read differently from what it says: direction overrides
/// and isolates, zero-width characters, the byte order mark.
pub fn is_hidden(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A report as it is written to a terminal: whatever texts of users, of objects and of an API server
/// stand in it, none steers the terminal or turns the reading direction. Lines stay lines.
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| {
        let is_odd = matches!(c, '\u{61c}' | '\u{2028}' | '\u{2029}') || is_hidden(c);
        c == '\n' || !(c.is_control() || is_odd)
    };
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            plain.push(character);
        } else {
            plain.extend(character.escape_unicode());
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_keeps_its_lines_and_nothing_that_steers_a_terminal() {
        let text = "bänk-a: ok\n  – {\"a\": 1}\n";
        assert!(matches!(plain(text), Cow::Borrowed(same) if same == text));
        let odd = "a\u{1b}[2J\r\u{7f}\u{9b}b\u{202e}c\u{2067}d\u{200b}\u{61c}\n";
        let escaped = r"a\u{1b}[2J\u{d}\u{7f}\u{9b}b\u{202e}c\u{2067}d\u{200b}\u{61c}";
        assert_eq!(plain(odd), format!("{escaped}\n"));
    }

    #[test]
    fn a_quoted_text_is_short_and_cannot_steer_a_terminal() {
        assert_eq!(quote("bank-a").to_string(), "`bank-a`");
        assert_eq!(quote("a\u{1b}[2Jb").to_string(), "`a\\u{1b}[2Jb`");
        assert_eq!(quote("a\u{202e}b").to_string(), "`a\\u{202e}b`");
        let long = quote(&"x".repeat(10_000)).to_string();
        assert_eq!(long.chars().count(), QUOTE_MAX_CHARS + 3);
    }

    #[test]
    fn findings_read_from_the_top_of_a_file() {
        let whole = Finding::error("a.yaml", "R", "m", "c");
        let first = whole.clone().at(1, 5);
        let second = whole.clone().at(2, 1).warn();
        let other = Finding::error("b.yaml", "R", "m", "c");
        let mut all = vec![other.clone(), second.clone(), first.clone(), whole.clone()];
        all.sort();
        assert_eq!(all, vec![whole, first, second, other]);
    }
}
