//! Cuts a file into its YAML documents before any of it is parsed, so that a syntax error
//! in one document cannot swallow the next. `---` and `...` at the start of a line always
//! end a document (YAML 1.2.2, section 9.1.2), also inside a quoted or block scalar.

/// One document of a file, still text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Line of the file at which the text begins, from 1.
    pub line: u32,
    /// The text, with its `---`.
    pub text: &'a str,
}

/// The documents of a file in their order, lazily.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    let mut line = 1_u32;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (bytes, lines) = first_piece(rest);
        let (head, tail) = rest.split_at(bytes);
        let piece = Piece { line, text: head };
        rest = tail;
        line = line.saturating_add(lines);
        Some(piece)
    })
}

/// Length of the first document in bytes and in lines.
fn first_piece(text: &str) -> (usize, u32) {
    let mut bytes = 0;
    let mut lines = 0_u32;
    for row in text.split_inclusive('\n') {
        if lines > 0 && is_marker(row, "---") {
            return (bytes, lines);
        }
        bytes += row.len();
        lines = lines.saturating_add(1);
        if is_marker(row, "...") {
            return (bytes, lines);
        }
    }
    (text.len(), lines)
}

fn is_marker(row: &str, marker: &str) -> bool {
    row.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<(u32, &str)> {
        pieces(text).map(|p| (p.line, p.text)).collect()
    }

    #[test]
    fn cuts_at_markers_at_the_start_of_a_line_only() {
        assert_eq!(split(""), vec![]);
        assert_eq!(split("a: 1\n"), vec![(1, "a: 1\n")]);
        assert_eq!(
            split("---\na: 1\n---\nb: '\n--- '\n"),
            vec![(1, "---\na: 1\n"), (3, "---\nb: '\n"), (5, "--- '\n")]
        );
        assert_eq!(
            split("a: |\n  ---\n  x---\n---\r\nb: 2"),
            vec![(1, "a: |\n  ---\n  x---\n"), (4, "---\r\nb: 2")]
        );
        assert_eq!(
            split("a: 1\n...\nb: 2\n"),
            vec![(1, "a: 1\n...\n"), (3, "b: 2\n")]
        );
        assert_eq!(split("----\na"), vec![(1, "----\na")]);
    }

    #[test]
    fn loses_no_byte() {
        let text = "x\n---\n---\n...\n--- y\n\n...";
        assert_eq!(pieces(text).map(|p| p.text).collect::<String>(), text);
    }
}
