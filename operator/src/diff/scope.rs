//! Some of a vocabulary that has no end: some fields of a content nobody has seen, some purposes
//! of those that a request may name.

use std::fmt;

use serde::Serialize;

/// Which words are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// These and no others.
    Only(Vec<String>),
    /// All there are, but these. Of purposes: also a request that names none.
    All {
        /// Those that are not meant.
        except: Vec<String>,
    },
}

impl Scope {
    /// The words of `known` at these positions; the last position stands for every word that is
    /// not known.
    pub(super) fn of(positions: impl IntoIterator<Item = usize>, known: &[String]) -> Self {
        let mut chosen = vec![false; known.len() + 1];
        for position in positions {
            if let Some(word) = chosen.get_mut(position) {
                *word = true;
            }
        }
        let rest = chosen.last() == Some(&true);
        let listed = known.iter().zip(&chosen);
        let words = listed.filter(|(_, chosen)| **chosen != rest);
        let words = words.map(|(word, _)| word.clone()).collect();
        if rest {
            Self::All { except: words }
        } else {
            Self::Only(words)
        }
    }

    /// Leaves out what a word before it says already, where words are pointers.
    pub(super) fn without_those_below(self) -> Self {
        match self {
            Self::Only(pointers) => Self::Only(topmost(pointers)),
            Self::All { except } => Self::All {
                except: topmost(except),
            },
        }
    }

    /// The words that are listed: those that are meant, or those that are not.
    pub fn words(&self) -> &[String] {
        match self {
            Self::Only(words) => words,
            Self::All { except } => except,
        }
    }

    /// As a phrase; `any` is how "all of them" is said, and each word is written by `write`.
    pub fn phrase<'s>(&'s self, any: &'s str, write: fn(&str) -> String) -> impl fmt::Display + 's {
        Phrase {
            scope: self,
            any,
            write,
        }
    }
}

struct Phrase<'s> {
    scope: &'s Scope,
    any: &'s str,
    write: fn(&str) -> String,
}

/// Words that a phrase lists before it counts: as many as a reviewer reads.
const WORDS_SHOWN: usize = 12;

impl fmt::Display for Phrase<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scope {
            Scope::Only(_) => {}
            Scope::All { except } if except.is_empty() => return f.write_str(self.any),
            Scope::All { .. } => write!(f, "{} but ", self.any)?,
        }
        f.write_str(&listed(self.scope.words(), WORDS_SHOWN, self.write))
    }
}

/// The first of a list, and how many more there are.
pub(super) fn listed(words: &[String], shown: usize, write: fn(&str) -> String) -> String {
    let first: Vec<String> = words.iter().take(shown).map(|word| write(word)).collect();
    let mut text = first.join(", ");
    if let Some(more) = words.len().checked_sub(shown).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

/// Of sorted pointers those that are not below another one.
fn topmost(pointers: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for pointer in pointers {
        let below = |other: &String| finp2p_crds::access::is_at_or_below(&pointer, other);
        if !kept.iter().any(below) {
            kept.push(pointer);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn what_is_not_known_turns_a_list_into_its_opposite() {
        let known = words(&["/a", "/b", "/c"]);
        assert_eq!(Scope::of([0, 2], &known), Scope::Only(words(&["/a", "/c"])));
        let but_b = Scope::of([0, 2, 3], &known);
        assert_eq!(
            but_b.phrase("every field", str::to_owned).to_string(),
            "every field but /b"
        );
        let all = Scope::of(0..4, &known);
        assert_eq!(all.phrase("any", str::to_owned).to_string(), "any");
    }

    #[test]
    fn a_pointer_says_what_stands_below_it() {
        let scope = Scope::Only(words(&["/a", "/a/b", "/ab", "/b/c"]));
        assert_eq!(
            scope.without_those_below(),
            Scope::Only(words(&["/a", "/ab", "/b/c"]))
        );
    }

    #[test]
    fn long_lists_are_counted() {
        let many: Vec<String> = (0..20).map(|i| format!("/{i}")).collect();
        let text = Scope::Only(many).phrase("any", str::to_owned).to_string();
        assert!(text.ends_with("/11 and 8 more"), "{text}");
    }
}
