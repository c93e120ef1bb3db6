//! Deterministic CBOR (RFC 8949 §4.2.1), and nothing else of CBOR.
//!
//! Every byte that came from a peer passes [`gate`] before a decoder sees it: shortest integers
//! and lengths, definite lengths, maps with ascending unique unsigned keys, valid UTF-8, no
//! floats, tags or simple values but `false`, `true` and `null`, bounded nesting, bounded number
//! of items, nothing after the end. The gate allocates nothing: a claim of a length is compared
//! with the bytes that are left, never believed.
//!
//! Then [`decode`] builds the type and compares its encoding with what was received, as it is
//! written and without a copy. So a message has exactly one encoding, a key that the type does not
//! know is refused, and an optional field is absent or there, never null. Keys from 128 on are
//! extensions: they are skipped in that comparison, while the signature covers them.

mod bounded;
mod gate;

pub(crate) use bounded::fixed_bytes;
pub use bounded::{Bytes, List, OutOfBounds, Text};
pub use gate::{Malformed, gate};

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// The first map key that is an extension, which a receiver ignores. Unknown keys below it are
/// refused.
pub const FIRST_EXTENSION_KEY: u64 = 128;

/// Encodes a value; the result is deterministic.
pub fn encode<T: Encode<()>>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let written = minicbor::encode(value, &mut out);
    // A Vec takes every byte, and no Encode of this crate makes an error of its own.
    debug_assert!(written.is_ok(), "an encoder failed on a vector");
    out
}

/// Decodes one value from exactly these bytes.
///
/// # Errors
/// [`Malformed`], naming the rule that was broken and never the bytes.
pub fn decode<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let checked = gate(bytes)?;
    if checked.extensions {
        let plain = without_extensions(bytes)?;
        decode_checked(&plain)
    } else {
        decode_checked(bytes)
    }
}

fn decode_checked<T>(bytes: &[u8]) -> Result<T, Malformed>
where
    T: for<'b> Decode<'b, ()> + Encode<()>,
{
    let value: T = minicbor::decode(bytes).map_err(|_| Malformed::Shape)?;
    let mut same = Same { expected: bytes };
    minicbor::encode(&value, &mut same).map_err(|_| Malformed::Shape)?;
    if same.expected.is_empty() {
        Ok(value)
    } else {
        Err(Malformed::Shape)
    }
}

/// A writer that accepts only the bytes it was made with.
struct Same<'a> {
    expected: &'a [u8],
}

/// What was written is not what was expected.
#[derive(Debug, thiserror::Error)]
#[error("the encoding differs")]
struct Differs;

impl Write for Same<'_> {
    type Error = Differs;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Differs> {
        self.expected = self.expected.strip_prefix(bytes).ok_or(Differs)?;
        Ok(())
    }
}

/// The same data without extension entries. Only for bytes that passed the gate, whose depth is
/// bounded.
fn without_extensions(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(bytes.len());
    copy(&mut Decoder::new(bytes), &mut Encoder::new(&mut out)).map_err(|_| Malformed::Shape)?;
    Ok(out)
}

fn copy(from: &mut Decoder<'_>, to: &mut Encoder<&mut Vec<u8>>) -> Result<(), Malformed> {
    use minicbor::data::Type;
    match from.datatype().map_err(|_| Malformed::Shape)? {
        Type::Array => {
            let len = from.array().ok().flatten().ok_or(Malformed::Shape)?;
            to.array(len).map_err(|_| Malformed::Shape)?;
            (0..len).try_for_each(|_| copy(from, to))
        }
        Type::Map => copy_map(from, to),
        _ => {
            let item = raw_item(from).map_err(|_| Malformed::Shape)?;
            to.writer_mut().extend_from_slice(item);
            Ok(())
        }
    }
}

fn copy_map(from: &mut Decoder<'_>, to: &mut Encoder<&mut Vec<u8>>) -> Result<(), Malformed> {
    let len = from.map().ok().flatten().ok_or(Malformed::Shape)?;
    // Keys ascend, so the known ones come first: count them on a second reader, then copy.
    let mut ahead = from.clone();
    let mut known = 0;
    for _ in 0..len {
        if ahead.u64().map_err(|_| Malformed::Shape)? >= FIRST_EXTENSION_KEY {
            break;
        }
        ahead.skip().map_err(|_| Malformed::Shape)?;
        known += 1;
    }
    to.map(known).map_err(|_| Malformed::Shape)?;
    for index in 0..len {
        let key = from.u64().map_err(|_| Malformed::Shape)?;
        if index < known {
            to.u64(key).map_err(|_| Malformed::Shape)?;
            copy(from, to)?;
        } else {
            from.skip().map_err(|_| Malformed::Shape)?;
        }
    }
    Ok(())
}

/// The bytes of the next item, as they stand in the input.
fn raw_item<'b>(decoder: &mut Decoder<'b>) -> Result<&'b [u8], DecodeError> {
    let start = decoder.position();
    decoder.skip()?;
    let end = decoder.position();
    decoder
        .input()
        .get(start..end)
        .ok_or_else(DecodeError::end_of_input)
}

/// One item kept as bytes, because its type depends on a field beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl<'b, C> Decode<'b, C> for Raw {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        raw_item(decoder).map(|bytes| Self(bytes.to_vec()))
    }
}

impl<C> Encode<C> for Raw {
    fn encode<W: Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        encoder
            .writer_mut()
            .write_all(&self.0)
            .map_err(EncodeError::write)
    }
}
