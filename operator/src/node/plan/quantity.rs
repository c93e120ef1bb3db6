//! Quantities as Kubernetes writes them.

/// Whether a text is any quantity: a signed decimal number with a suffix of tens (`500m`, `2M`), of
/// twos (`2Gi`) or an exponent (`1e3`).
pub fn is(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, suffix) = unsigned.split_at(end.unwrap_or(unsigned.len()));
    let is_number =
        number.contains(|c: char| c.is_ascii_digit()) && number.matches('.').count() <= 1;
    let is_suffix = match suffix {
        "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" => true,
        "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => true,
        // Rust reads a sign before a number, too.
        exponent => exponent
            .strip_prefix(['e', 'E'])
            .is_some_and(|digits| digits.parse::<i16>().is_ok()),
    };
    is_number && is_suffix
}

/// Most bytes that a quantity counts: beyond it Kubernetes cuts the number without a word.
pub const BYTES_MAX: u128 = i64::MAX as u128;

/// Bytes of a quantity, rounded down: `50Gi`, `1.5Ti`, `100G`, as `storage.size` allows it, and what an
/// API server makes of it (`10240Ti` is `10Pi`). `None` for a text that is none, and for more than
/// [`BYTES_MAX`].
pub fn bytes(text: &str) -> Option<u128> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u128 = match text.get(digits.len()..)? {
        "" => 1,
        "k" => 1000,
        "M" => 1000_u128.pow(2),
        "G" => 1000_u128.pow(3),
        "T" => 1000_u128.pow(4),
        "P" => 1000_u128.pow(5),
        "E" => 1000_u128.pow(6),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        "Ei" => 1 << 60,
        _ => return None,
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: u128 = whole.parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parts = match fraction {
        "" => 0,
        digits => digits.parse::<u128>().ok()?,
    };
    let of_parts = parts.checked_mul(unit)?.checked_div(scale)?;
    let bytes = whole.checked_mul(unit)?.checked_add(of_parts)?;
    (bytes <= BYTES_MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_is_a_number_with_a_suffix_that_kubernetes_has() {
        for text in [
            "0", "500m", "2Gi", "1.5", ".5", "5.", "-1", "+1k", "1e3", "1E-3", "1E",
        ] {
            assert!(is(text), "{text}");
        }
        for text in [
            "", "lots", "1.2.3", "2gi", "1 Gi", "1KB", ".", "Gi", "1e", "--1", "1K",
        ] {
            assert!(!is(text), "{text}");
        }
    }

    #[test]
    fn reads_what_the_schema_of_storage_size_allows_and_an_api_server_makes_of_it() {
        assert_eq!(bytes("50Gi"), Some(50 << 30));
        assert_eq!(bytes("1.5Ki"), Some(1536));
        assert_eq!(bytes("100G"), Some(100_000_000_000));
        assert_eq!(bytes("7"), Some(7));
        assert_eq!(bytes("5Pi"), Some(5 << 50));
        assert_eq!(bytes("9223372036854775807"), Some(BYTES_MAX));
        for wrong in [
            "",
            "Gi",
            "1.Gi5",
            "-1",
            "1e3",
            "1.x",
            "9223372036854775808",
            "99999999999999999999999999999Ti",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
