//! Where each node of a document stands: a tree beside the value, as large as the value
//! (a map from whole pointers to lines would grow with the square of the depth).

/// A position in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
}

/// The position of one node, and of what is in it. A member of a mapping stands at its key.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub(super) key: Box<str>,
    pub(super) at: Position,
    /// Members sorted by key, or items in their order.
    pub(super) children: Vec<Place>,
    pub(super) sequence: bool,
}

impl Place {
    /// Where the node itself begins.
    pub fn position(&self) -> Position {
        self.at
    }

    /// Position of the node that a JSON Pointer (RFC 6901) names, or of the nearest node
    /// above it that exists (so that a missing field points at its parent).
    pub fn find(&self, pointer: &str) -> Position {
        let mut here = self;
        for token in pointer.split('/').skip(1) {
            match here.child(token) {
                Some(child) => here = child,
                None => break,
            }
        }
        here.at
    }

    /// The child that one token of a JSON Pointer names.
    pub fn child(&self, token: &str) -> Option<&Self> {
        if self.sequence {
            return self.children.get(token.parse::<usize>().ok()?);
        }
        let key = unescape(token);
        let index = self
            .children
            .binary_search_by(|child| child.key.as_ref().cmp(key.as_str()))
            .ok()?;
        self.children.get(index)
    }
}

/// One token of a JSON Pointer, escaped.
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// One token of a JSON Pointer, as the key it names.
pub fn unescape(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}
