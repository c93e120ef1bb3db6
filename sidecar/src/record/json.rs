//! The strict reading of JSON that everything signed goes through.
//!
//! Two parties that read one signed text must see one value. So this reader refuses what
//! JSON libraries disagree about: a member twice, numbers that do not survive a double
//! (RFC 7493 §2.2), and nesting beyond a bound.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting of objects and arrays in anything signed: four times the depth to which
/// units go, and far from any stack's end.
pub const MAX_DEPTH: usize = 32;
/// Largest magnitude of a number: 2^53 - 1, the last integer before a double skips one
/// (RFC 7493 §2.2).
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Why a text is refused. Names no part of the text, which is private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not one JSON value with nothing but white space around it, in UTF-8.
    #[error("not one well-formed JSON value")]
    Malformed,
    /// A member stands twice in an object.
    #[error("an object has the same member twice")]
    DuplicateMember,
    /// Objects and arrays nest deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A number is not read as the same number everywhere.
    #[error(
        "a number that not every reader sees alike: beyond ±(2^53 - 1), minus zero, or with \
         more digits than a double holds; write it as a string"
    )]
    Number,
}

/// Reads one JSON value, with nothing after it but white space.
///
/// # Errors
/// The first reason of [`JsonError`] that holds.
pub(super) fn parse(text: &[u8]) -> Result<Value, JsonError> {
    let refusal = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict {
        depth: 0,
        refusal: &refusal,
    }
    .deserialize(&mut reader)
    .and_then(|value| reader.end().map(|()| value))
    .map_err(|_| refusal.take().unwrap_or(JsonError::Malformed))?;
    if number_literals(text).all(number_survives) {
        Ok(value)
    } else {
        Err(JsonError::Number)
    }
}

/// Reads one JSON object; see [`parse`].
pub(super) fn parse_object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match parse(text)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::Malformed),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    refusal: &'a Cell<Option<JsonError>>,
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(&self, reason: JsonError) -> E {
        self.refusal.set(Some(reason));
        E::custom(reason)
    }

    fn inner<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(JsonError::TooDeep));
        }
        Ok(Strict {
            depth: self.depth + 1,
            refusal: self.refusal,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| self.refuse(JsonError::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(self.refuse(JsonError::DuplicateMember));
            }
        }
        Ok(Value::Object(object))
    }
}

/// The number literals of a text already known to be JSON.
fn number_literals(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let (&first, tail) = rest.split_first()?;
            match first {
                b'"' => rest = after_string(tail),
                b'-' | b'0'..=b'9' => {
                    let end = rest
                        .iter()
                        .position(|byte| !is_number_byte(*byte))
                        .unwrap_or(rest.len());
                    let (literal, tail) = rest.split_at(end);
                    rest = tail;
                    return Some(literal);
                }
                _ => rest = tail,
            }
        }
    })
}

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')
}

/// What follows the closing quote of a string whose opening quote is already taken.
fn after_string(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'"' => break,
            b'\\' => {
                rest = tail
                    .split_first()
                    .map_or(tail, |(_, after_escaped)| after_escaped)
            }
            _ => {}
        }
    }
    rest
}

/// Whether a number literal means the same to everybody who reads it as a double: within
/// ±(2^53 - 1), not minus zero, and with no more digits than it takes to tell that double
/// from its neighbours. (Which of two equally short texts a writer picks differs; both read
/// as the same double.)
fn number_survives(literal: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(literal) else {
        return false;
    };
    let Ok(double) = text.parse::<f64>() else {
        return false;
    };
    // Exact: the largest number is below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let within = double.abs() <= MAX_NUMBER as f64;
    let minus_zero = double == 0.0 && text.starts_with('-');
    // `{:e}` is a shortest text that reads back as this double.
    let needed = significant_digits(&format!("{double:e}"));
    within && !minus_zero && significant_digits(text) <= needed
}

/// The number of digits from the first that is not zero to the last that is not.
fn significant_digits(number: &str) -> usize {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_member_that_stands_twice_however_it_is_spelt_and_however_deep() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"x":{"b":0,"b":0}}]"#,
        ] {
            assert_eq!(
                parse(text.as_bytes()),
                Err(JsonError::DuplicateMember),
                "{text}"
            );
        }
        assert!(parse(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn refuses_what_is_not_exactly_one_json_text() {
        for text in [
            "",
            "{",
            "{}{}",
            "{} x",
            "[1,]",
            "{\"a\" 1}",
            "NaN",
            "Infinity",
            "-",
            "01",
            "1.",
            "\"\\ud800\"",
            "\u{feff}{}",
            "'a'",
        ] {
            assert_eq!(parse(text.as_bytes()), Err(JsonError::Malformed), "{text}");
        }
        assert_eq!(parse(b"\"\xff\""), Err(JsonError::Malformed));
        assert_eq!(parse_object(b"[]"), Err(JsonError::Malformed));
    }

    #[test]
    fn nesting_ends_at_the_bound_and_far_deeper_costs_no_stack() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(
            parse(nested(MAX_DEPTH + 1).as_bytes()),
            Err(JsonError::TooDeep)
        );
        assert_eq!(
            parse("[".repeat(100_000).as_bytes()),
            Err(JsonError::TooDeep)
        );
        assert_eq!(
            parse("{\"a\":".repeat(100_000).as_bytes()),
            Err(JsonError::TooDeep)
        );
    }

    #[test]
    fn attack_33_numbers_that_readers_see_differently_are_refused() {
        for literal in [
            "9007199254740992",
            "-9007199254740992",
            "9007199254740993",
            "18446744073709551616",
            "1e16",
            "-0",
            "-0.0",
            "-0e7",
            "0.1000000000000000055",
            "3.14159265358979323846",
            "1e-400",
            "1e-99999999999999999999",
        ] {
            assert_eq!(
                parse(format!("[{literal}]").as_bytes()),
                Err(JsonError::Number),
                "{literal}"
            );
        }
        assert!(parse(b"[1e400]").is_err());
    }

    #[test]
    fn numbers_that_a_double_holds_pass_and_print_as_the_same_number() {
        for literal in [
            "0",
            "-1",
            "9007199254740991",
            "-9007199254740991",
            "0.1",
            "1.50",
            "1e3",
            "0.30000000000000004",
            "5e-324",
            "2.2250738585072014e-308",
            "123456.789",
            "0.0",
            "0e400",
            "1E+2",
            "4.35",
            "0.000001",
            "8.41",
        ] {
            let value =
                parse(literal.as_bytes()).unwrap_or_else(|error| panic!("{literal}: {error}"));
            let printed = value.to_string();
            assert_eq!(parse(printed.as_bytes()), Ok(value), "{literal}");
        }
    }

    #[test]
    fn either_of_two_equally_short_texts_of_one_double_passes() {
        assert_eq!(parse(b"2023347301156851.2"), parse(b"2023347301156851.3"));
        assert!(parse(b"2023347301156851.2").is_ok());
        assert_eq!(parse(b"2023347301156851.25"), Err(JsonError::Number));
    }

    #[test]
    fn digits_inside_strings_are_not_numbers() {
        assert!(parse(br#"{"a\"9007199254740993":"-0 1e400 \\","b":[1]}"#).is_ok());
        assert_eq!(parse(br#"{"a\\":-0}"#), Err(JsonError::Number));
    }
}
