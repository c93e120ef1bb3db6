//! One YAML (or JSON) document as a JSON value with positions, in bounded time and memory.
//! Anchors, aliases, tags and directives are refused: a manifest needs none of them, and
//! they are how a small file becomes a large one.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::limits;
use super::place::{Place, Position};
use super::scalar::{self, Meaning};
use super::split::Piece;

/// A document, read.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// The document; `Null` when it is empty.
    pub value: Value,
    /// Where its nodes stand.
    pub place: Place,
    /// Things that are probably not meant.
    pub remarks: Vec<Refusal>,
}

/// Why a document is refused (or remarked upon), and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Where.
    pub at: Position,
    /// One PascalCase word.
    pub reason: &'static str,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    pub cure: &'static str,
}

/// Reads one document of at most `budget` nodes. Returns how many nodes were read, also of a
/// document that is refused, and the document or the first thing wrong with it; nothing of a
/// refused document is used.
pub fn parse(piece: Piece<'_>, budget: usize) -> (usize, Result<Parsed, Refusal>) {
    let mut reader = Reader {
        offset: piece.line.saturating_sub(1),
        last: last_line(piece),
        budget: budget.min(limits::DOCUMENT_MAX_NODES),
        nodes: 0,
        stack: Vec::new(),
        root: None,
        documents: 0,
        remarks: Vec::new(),
    };
    let outcome = reader.read(piece.text);
    let (value, place) = reader.root.take().unwrap_or_default();
    let remarks = std::mem::take(&mut reader.remarks);
    let parsed = outcome.map(|()| Parsed {
        value,
        place,
        remarks,
    });
    (reader.nodes, parsed)
}

enum Frame {
    Mapping {
        at: Position,
        map: Map<String, Value>,
        places: Vec<Place>,
        key: Option<(String, Position)>,
    },
    Sequence {
        at: Position,
        items: Vec<Value>,
        places: Vec<Place>,
    },
}

struct Reader {
    /// Lines of the file before the document.
    offset: u32,
    /// Last line of the document: the parser finds an unexpected end one line further down.
    last: u32,
    budget: usize,
    nodes: usize,
    stack: Vec<Frame>,
    root: Option<(Value, Place)>,
    documents: usize,
    remarks: Vec<Refusal>,
}

impl Reader {
    fn read(&mut self, text: &str) -> Result<(), Refusal> {
        self.check_text(text)?;
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| Refusal {
                at: self.position(*error.marker()),
                reason: "YamlSyntax",
                message: format!("not YAML: {}", error.info()),
                cure: "mend the syntax at or just before this line (indentation by spaces, a missing quote or colon)",
            })?;
            if matches!(event, Event::StreamEnd) {
                break;
            }
            self.take(event, span)?;
        }
        Ok(())
    }

    fn position(&self, marker: Marker) -> Position {
        let line = u32::try_from(marker.line()).unwrap_or(u32::MAX);
        Position {
            line: line.saturating_add(self.offset).min(self.last),
            column: u32::try_from(marker.col())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
        }
    }

    /// What must be refused before the parser sees it: it takes NUL for the end of the file,
    /// and a person cannot see the others.
    fn check_text(&self, text: &str) -> Result<(), Refusal> {
        let start = Position {
            line: self.offset.saturating_add(1),
            column: 1,
        };
        if text.len() > limits::DOCUMENT_MAX_BYTES {
            return Err(Refusal {
                at: start,
                reason: "DocumentTooLarge",
                message: format!(
                    "a document of {} bytes; at most {} are read",
                    text.len(),
                    limits::DOCUMENT_MAX_BYTES
                ),
                cure: "split it: an API server would refuse it too",
            });
        }
        for (row, line) in text.split('\n').enumerate() {
            if line.starts_with('%') {
                return Err(Refusal {
                    at: self.row(row, 1),
                    reason: "YamlDirective",
                    message: "a YAML directive".to_owned(),
                    cure: "remove the line that begins with %; a manifest needs no directives",
                });
            }
            if let Some((column, character)) =
                line.chars().enumerate().find(|(_, c)| is_forbidden(*c))
            {
                return Err(Refusal {
                    at: self.row(row, column.saturating_add(1)),
                    reason: "HiddenCharacter",
                    message: format!(
                        "the character U+{:04X}, which a person cannot see",
                        u32::from(character)
                    ),
                    cure: "remove it, or write it as an escape (\\u…) in a double-quoted text",
                });
            }
        }
        Ok(())
    }

    fn row(&self, row: usize, column: usize) -> Position {
        Position {
            line: u32::try_from(row)
                .unwrap_or(u32::MAX)
                .saturating_add(self.offset)
                .saturating_add(1),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refusal> {
        let at = self.position(span.start);
        match event {
            Event::DocumentStart(_) => self.start_document(at),
            Event::Alias(_) => Err(anchored(at)),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_decoration(at, anchor, tag.is_some())?;
                self.count(at)?;
                self.scalar(&text, style, at)
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_decoration(at, anchor, tag.is_some())?;
                self.open(
                    at,
                    Frame::Sequence {
                        at,
                        items: Vec::new(),
                        places: Vec::new(),
                    },
                )
            }
            Event::MappingStart(anchor, tag) => {
                refuse_decoration(at, anchor, tag.is_some())?;
                self.open(
                    at,
                    Frame::Mapping {
                        at,
                        map: Map::new(),
                        places: Vec::new(),
                        key: None,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn start_document(&mut self, at: Position) -> Result<(), Refusal> {
        self.documents = self.documents.saturating_add(1);
        if self.documents > 1 {
            return Err(Refusal {
                at,
                reason: "YamlSyntax",
                message: "a second document without its own --- line".to_owned(),
                cure: "begin every document with a line ---",
            });
        }
        Ok(())
    }

    fn count(&mut self, at: Position) -> Result<(), Refusal> {
        self.nodes = self.nodes.saturating_add(1);
        if self.nodes <= self.budget {
            return Ok(());
        }
        Err(Refusal {
            at,
            reason: "TooManyNodes",
            message: format!(
                "more than {} values in this document or in all together",
                self.budget
            ),
            cure: "split it into smaller objects, or validate fewer files at once",
        })
    }

    fn open(&mut self, at: Position, frame: Frame) -> Result<(), Refusal> {
        self.count(at)?;
        if matches!(self.stack.last(), Some(Frame::Mapping { key: None, .. })) {
            return Err(key_not_text(at));
        }
        if self.stack.len() >= limits::MAX_DEPTH {
            return Err(Refusal {
                at,
                reason: "TooDeep",
                message: format!("nested deeper than {} levels", limits::MAX_DEPTH),
                cure: "make it flatter; no manifest is nested this deep",
            });
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let (value, place) = match self.stack.pop() {
            Some(Frame::Mapping {
                at,
                map,
                mut places,
                ..
            }) => {
                places.sort_by(|a, b| a.key.cmp(&b.key));
                let place = Place {
                    key: Box::default(),
                    at,
                    children: places,
                    sequence: false,
                };
                (Value::Object(map), place)
            }
            Some(Frame::Sequence { at, items, places }) => {
                let place = Place {
                    key: Box::default(),
                    at,
                    children: places,
                    sequence: true,
                };
                (Value::Array(items), place)
            }
            None => return Ok(()),
        };
        self.complete(value, place)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Position) -> Result<(), Refusal> {
        let meaning = if style == ScalarStyle::Plain {
            scalar::plain(text)
        } else {
            Meaning::Plain(Value::String(text.to_owned()))
        };
        let value = match meaning {
            Meaning::Plain(value) => value,
            Meaning::Text11(value) => {
                self.remark_text11(text, at);
                value
            }
            Meaning::Refused(reason, what, cure) => {
                return Err(Refusal {
                    at,
                    reason,
                    message: format!("{} is {what}", crate::finding::quote(text)),
                    cure,
                });
            }
        };
        if let Some(Frame::Mapping {
            map,
            places,
            key: key @ None,
            ..
        }) = self.stack.last_mut()
        {
            let Value::String(name) = value else {
                return Err(key_not_text(at));
            };
            check_key(&name, map, places, at)?;
            *key = Some((name, at));
            return Ok(());
        }
        self.complete(
            value,
            Place {
                key: Box::default(),
                at,
                children: Vec::new(),
                sequence: false,
            },
        )
    }

    fn remark_text11(&mut self, text: &str, at: Position) {
        if self.remarks.len() < limits::MAX_REMARKS {
            self.remarks.push(Refusal {
                at,
                reason: "TextOrBoolean",
                message: format!(
                    "`{text}` is text here, and a boolean for readers of YAML 1.1 such as kubectl"
                ),
                cure: "write it in quotes if it is text; write true or false if it is a boolean",
            });
        }
    }

    fn complete(&mut self, value: Value, mut place: Place) -> Result<(), Refusal> {
        match self.stack.last_mut() {
            None => self.root = Some((value, place)),
            Some(Frame::Sequence { items, places, .. }) => {
                items.push(value);
                places.push(place);
            }
            Some(Frame::Mapping {
                map, places, key, ..
            }) => {
                let Some((name, at)) = key.take() else {
                    return Err(key_not_text(place.at));
                };
                place.key = name.as_str().into();
                place.at = at;
                places.push(place);
                map.insert(name, value);
            }
        }
        Ok(())
    }
}

fn last_line(piece: Piece<'_>) -> u32 {
    let lines = u32::try_from(piece.text.lines().count()).unwrap_or(u32::MAX);
    piece.line.saturating_add(lines).saturating_sub(1)
}

fn check_key(
    name: &str,
    map: &Map<String, Value>,
    places: &[Place],
    at: Position,
) -> Result<(), Refusal> {
    if name.len() > limits::KEY_MAX_BYTES {
        return Err(Refusal {
            at,
            reason: "KeyTooLong",
            message: format!(
                "a key of {} bytes; at most {} are read",
                name.len(),
                limits::KEY_MAX_BYTES
            ),
            cure: "use a shorter key",
        });
    }
    if name == "<<" {
        return Err(anchored(at));
    }
    if map.contains_key(name) {
        let first = places
            .iter()
            .find(|p| p.key.as_ref() == name)
            .map_or(0, |p| p.at.line);
        return Err(Refusal {
            at,
            reason: "DuplicateKey",
            message: format!(
                "{} is written twice; the first is on line {first}",
                crate::finding::quote(name)
            ),
            cure: "keep one of the two",
        });
    }
    Ok(())
}

fn refuse_decoration(at: Position, anchor: usize, tagged: bool) -> Result<(), Refusal> {
    if anchor != 0 {
        return Err(anchored(at));
    }
    if tagged {
        return Err(Refusal {
            at,
            reason: "YamlTag",
            message: "a YAML tag (!…)".to_owned(),
            cure: "remove the tag; write text in quotes, numbers and booleans without",
        });
    }
    Ok(())
}

fn anchored(at: Position) -> Refusal {
    Refusal {
        at,
        reason: "YamlAlias",
        message: "a YAML anchor, alias or merge key (&…, *…, <<)".to_owned(),
        cure: "write the value out where it is used",
    }
}

fn key_not_text(at: Position) -> Refusal {
    Refusal {
        at,
        reason: "KeyNotText",
        message: "a key that is not text".to_owned(),
        cure: "put the key in quotes",
    }
}

fn is_forbidden(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\t' | '\r' | '\u{85}');
    let noncharacter = matches!(character, '\u{fffe}' | '\u{ffff}');
    // Zero-width joiners stay: some scripts need them.
    let steers =
        matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    control || noncharacter || steers
}
