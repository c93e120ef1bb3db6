//! The gate: is this one item of our subset of CBOR, whole and bounded?

use super::FIRST_EXTENSION_KEY;
use crate::limits::{CBOR_DEPTH_MAX, CBOR_ITEMS_MAX};

/// Which rule of the encoding was broken. Says nothing about the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The input ends inside an item, or claims a length beyond its end.
    #[error("the input ends inside an item")]
    Truncated,
    /// Bytes follow the item.
    #[error("bytes follow the item")]
    Trailing,
    /// An integer or length is not in its shortest form.
    #[error("an integer is not in its shortest form")]
    NotShortest,
    /// An indefinite length, or a reserved form of the initial byte.
    #[error("an indefinite length or a reserved form")]
    Indefinite,
    /// A float, tag, undefined or other simple value.
    #[error("a float, tag or simple value")]
    Forbidden,
    /// Map keys are not unsigned integers in ascending order without repetition.
    #[error("map keys are not ascending unsigned integers")]
    Keys,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Nesting beyond the bound.
    #[error("nested too deep")]
    TooDeep,
    /// More items than the bound.
    #[error("too many items")]
    TooMany,
    /// Well-formed, but not of the expected type: a field is missing, unknown, of another type,
    /// or outside its bounds.
    #[error("not of the expected shape")]
    Shape,
}

/// What the gate saw on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Some map holds a key from [`FIRST_EXTENSION_KEY`] on.
    pub extensions: bool,
    /// Data items, counting every key, value, array and map.
    pub items: usize,
}

/// Checks that `bytes` is exactly one item of our subset of CBOR. Allocates nothing; time is
/// linear in the input.
///
/// # Errors
/// [`Malformed`]: the first rule broken.
pub fn gate(bytes: &[u8]) -> Result<Passed, Malformed> {
    let mut gate = Gate {
        rest: bytes,
        items: 0,
        extensions: false,
    };
    gate.item(0)?;
    if gate.rest.is_empty() {
        Ok(Passed {
            extensions: gate.extensions,
            items: gate.items,
        })
    } else {
        Err(Malformed::Trailing)
    }
}

struct Gate<'a> {
    rest: &'a [u8],
    items: usize,
    extensions: bool,
}

impl<'a> Gate<'a> {
    /// Recursion is bounded by [`CBOR_DEPTH_MAX`].
    fn item(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > CBOR_DEPTH_MAX {
            return Err(Malformed::TooDeep);
        }
        let (major, argument) = self.head()?;
        match major {
            0 | 1 => Ok(()),
            2 => self.take(argument).map(|_| ()),
            3 => {
                let text = self.take(argument)?;
                std::str::from_utf8(text)
                    .map(|_| ())
                    .map_err(|_| Malformed::Utf8)
            }
            4 => {
                // Each element is at least one byte, so a longer claim cannot be kept.
                let len = self.claim(argument, 1)?;
                (0..len).try_for_each(|_| self.item(depth + 1))
            }
            5 => {
                let len = self.claim(argument, 2)?;
                self.map(len, depth + 1)
            }
            // 20 false, 21 true, 22 null.
            7 if (20..=22).contains(&argument) => Ok(()),
            _ => Err(Malformed::Forbidden),
        }
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<(), Malformed> {
        let mut previous = None;
        for _ in 0..len {
            let (major, key) = self.head()?;
            if major != 0 || previous.is_some_and(|previous| key <= previous) {
                return Err(Malformed::Keys);
            }
            previous = Some(key);
            self.extensions |= key >= FIRST_EXTENSION_KEY;
            self.item(depth)?;
        }
        Ok(())
    }

    /// Major type and argument of the next item.
    fn head(&mut self) -> Result<(u8, u64), Malformed> {
        self.items += 1;
        if self.items > CBOR_ITEMS_MAX {
            return Err(Malformed::TooMany);
        }
        let (&initial, rest) = self.rest.split_first().ok_or(Malformed::Truncated)?;
        self.rest = rest;
        let (major, info) = (initial >> 5, initial & 0x1f);
        let (argument, least) = match info {
            0..=23 => return Ok((major, u64::from(info))),
            // Tags, floats and two-byte simple values: refuse before their length matters.
            24..=27 if major >= 6 => return Err(Malformed::Forbidden),
            24 => (self.number::<1>()?, 24),
            25 => (self.number::<2>()?, 1 << 8),
            26 => (self.number::<4>()?, 1 << 16),
            27 => (self.number::<8>()?, 1 << 32),
            _ => return Err(Malformed::Indefinite),
        };
        if argument < least {
            Err(Malformed::NotShortest)
        } else {
            Ok((major, argument))
        }
    }

    fn number<const N: usize>(&mut self) -> Result<u64, Malformed> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(bytes
            .iter()
            .fold(0, |number, &byte| (number << 8) | u64::from(byte)))
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed::Truncated)?;
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Malformed::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A claimed number of elements of at least `least` bytes each, if the input can hold them.
    fn claim(&self, len: u64, least: usize) -> Result<usize, Malformed> {
        let len = usize::try_from(len).map_err(|_| Malformed::Truncated)?;
        let bytes = len.checked_mul(least).ok_or(Malformed::Truncated)?;
        if bytes > self.rest.len() {
            Err(Malformed::Truncated)
        } else {
            Ok(len)
        }
    }
}
