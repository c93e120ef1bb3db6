//! What a plain (unquoted) YAML scalar means: YAML 1.2's core schema, refusing what YAML 1.1
//! readers such as kubectl would understand differently.

use serde_json::{Number, Value};

/// A scalar, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// One value for every reader.
    Plain(Value),
    /// Text here, a boolean for YAML 1.1 readers.
    Text11(Value),
    /// Refused: readers disagree, or JSON has no such number.
    Refused(&'static str, &'static str, &'static str),
}

/// Largest whole float that stands for one integer (2⁵³).
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a plain scalar.
pub fn plain(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Plain(Value::Null),
        "true" | "True" | "TRUE" => return Meaning::Plain(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Meaning::Plain(Value::Bool(false)),
        "y" | "Y" | "yes" | "Yes" | "YES" | "n" | "N" | "no" | "No" | "NO" | "on" | "On" | "ON"
        | "off" | "Off" | "OFF" => return Meaning::Text11(Value::String(text.to_owned())),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "-.inf" | "-.Inf" | "-.INF"
        | "+.inf" | "+.Inf" | "+.INF" => {
            return Meaning::Refused(
                "NumberNotFinite",
                "not a number that JSON can hold",
                "write a number, or put the text in quotes",
            );
        }
        _ => {}
    }
    if !looks_like_a_number(text) {
        return Meaning::Plain(Value::String(text.to_owned()));
    }
    number(text)
}

/// Whether some YAML reader takes the text for a number.
fn looks_like_a_number(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let body = body.strip_prefix('.').unwrap_or(body);
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let lower = body.to_ascii_lowercase();
    let prefixed = ["0x", "0o", "0b"].iter().any(|prefix| {
        lower.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|c| c.is_ascii_hexdigit() || c == '_')
        })
    });
    prefixed || is_decimal(&lower.replace('_', ""))
}

/// Digits, at most one point, at most one exponent.
fn is_decimal(lower: &str) -> bool {
    let (mantissa, exponent) = match lower.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (lower, None),
    };
    let points = mantissa.matches('.').count();
    let mantissa_ok = points <= 1
        && mantissa.chars().any(|c| c.is_ascii_digit())
        && mantissa.chars().all(|c| c.is_ascii_digit() || c == '.');
    let exponent_ok = exponent.is_none_or(|e| {
        let digits = e.strip_prefix(['-', '+']).unwrap_or(e);
        !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
    });
    mantissa_ok && exponent_ok
}

fn number(text: &str) -> Meaning {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let leading_zero = body.len() > 1
        && body.starts_with('0')
        && !body.starts_with("0.")
        && !body.starts_with("0e")
        && !body.starts_with("0E");
    if leading_zero || body.contains('_') {
        return Meaning::Refused(
            "NumberAmbiguous",
            "a number that YAML readers understand differently (octal, hexadecimal, binary or with _)",
            "write it in plain decimal digits, or in quotes if it is text",
        );
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if let Ok(whole) = unsigned.parse::<i64>() {
        return Meaning::Plain(Value::from(whole));
    }
    if body.chars().all(|c| c.is_ascii_digit()) {
        return Meaning::Refused(
            "NumberTooLarge",
            "an integer beyond 64 bits",
            "write a smaller number, or put it in quotes if it is text",
        );
    }
    match unsigned.parse::<f64>() {
        Ok(float) if float.is_finite() => Meaning::Plain(whole_or_float(float)),
        _ => Meaning::Refused(
            "NumberNotFinite",
            "not a number that JSON can hold",
            "write a number, or put the text in quotes",
        ),
    }
}

/// `1.0` is the integer 1, as for the API server.
#[allow(clippy::cast_possible_truncation)] // the bound makes the conversion exact
fn whole_or_float(float: f64) -> Value {
    if float.fract() == 0.0 && float.abs() < WHOLE_MAX {
        return Value::from(float as i64);
    }
    Number::from_f64(float).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_the_core_schema_of_yaml_1_2() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("true", json!(true)),
            ("FALSE", json!(false)),
            ("0", json!(0)),
            ("-12", json!(-12)),
            ("+7", json!(7)),
            ("1.0", json!(1)),
            ("-0", json!(0)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
            ("2026-03-01T00:00:00Z", json!("2026-03-01T00:00:00Z")),
            ("1.2.3", json!("1.2.3")),
            ("50Gi", json!("50Gi")),
            ("0xyz", json!("0xyz")),
            ("-", json!("-")),
            (".", json!(".")),
            ("1e", json!("1e")),
            ("XS2712345672", json!("XS2712345672")),
        ] {
            assert_eq!(plain(text), Meaning::Plain(value), "{text:?}");
        }
    }

    #[test]
    fn refuses_numbers_that_readers_understand_differently() {
        for text in ["0777", "0o17", "0x1F", "0b11", "1_000", "-012", "08"] {
            assert!(
                matches!(plain(text), Meaning::Refused("NumberAmbiguous", ..)),
                "{text:?}"
            );
        }
    }

    #[test]
    fn refuses_numbers_that_json_cannot_hold() {
        for text in [".nan", "-.inf", "1e400"] {
            assert!(
                matches!(plain(text), Meaning::Refused("NumberNotFinite", ..)),
                "{text:?}"
            );
        }
        assert!(matches!(
            plain("9223372036854775808"),
            Meaning::Refused("NumberTooLarge", ..)
        ));
    }

    #[test]
    fn yes_and_no_are_text_and_said_to_be() {
        for text in ["yes", "No", "NO", "on", "OFF", "y"] {
            assert_eq!(plain(text), Meaning::Text11(json!(text)), "{text:?}");
        }
    }
}
