//! Lists, texts and byte strings that know their bounds, so that neither side can hold a message
//! that the other must refuse.

use std::fmt;
use std::ops::Deref;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

/// Fewer or more than the protocol allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{actual} is outside {least} to {most}")]
pub struct OutOfBounds {
    /// Elements or bytes that were there.
    pub actual: usize,
    /// Fewest allowed.
    pub least: usize,
    /// Most allowed.
    pub most: usize,
}

fn within(actual: usize, least: usize, most: usize) -> Result<(), OutOfBounds> {
    if (least..=most).contains(&actual) {
        Ok(())
    } else {
        Err(OutOfBounds {
            actual,
            least,
            most,
        })
    }
}

/// `MIN` to `MAX` elements.
#[derive(Clone, PartialEq, Eq)]
pub struct List<T, const MIN: usize, const MAX: usize>(Vec<T>);

impl<T, const MIN: usize, const MAX: usize> List<T, MIN, MAX> {
    /// Takes the elements if their number is in bounds.
    ///
    /// # Errors
    /// [`OutOfBounds`] with the number and the bounds.
    pub fn new(elements: Vec<T>) -> Result<Self, OutOfBounds> {
        within(elements.len(), MIN, MAX).map(|()| Self(elements))
    }

    /// The elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, 0, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MIN: usize, const MAX: usize> TryFrom<Vec<T>> for List<T, MIN, MAX> {
    type Error = OutOfBounds;

    fn try_from(elements: Vec<T>) -> Result<Self, OutOfBounds> {
        Self::new(elements)
    }
}

impl<T, const MIN: usize, const MAX: usize> Deref for List<T, MIN, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MIN: usize, const MAX: usize> IntoIterator for List<T, MIN, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const MIN: usize, const MAX: usize> IntoIterator for &'a List<T, MIN, MAX> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T: fmt::Debug, const MIN: usize, const MAX: usize> fmt::Debug for List<T, MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'b, C, T: Decode<'b, C>, const MIN: usize, const MAX: usize> Decode<'b, C>
    for List<T, MIN, MAX>
{
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let len = decoder
            .array()?
            .ok_or_else(|| decode::Error::message("indefinite list"))?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        within(len, MIN, MAX).map_err(decode::Error::custom)?;
        let mut elements = Vec::new();
        for _ in 0..len {
            elements.push(T::decode(decoder, context)?);
        }
        Ok(Self(elements))
    }
}

impl<C, T: Encode<C>, const MIN: usize, const MAX: usize> Encode<C> for List<T, MIN, MAX> {
    fn encode<W: encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.array(self.0.len() as u64)?;
        self.0
            .iter()
            .try_for_each(|element| element.encode(encoder, context))
    }
}

/// Text of `MIN` to `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// Takes the text if its length in bytes is in bounds.
    ///
    /// # Errors
    /// [`OutOfBounds`] with the length and the bounds.
    pub fn new(text: impl Into<String>) -> Result<Self, OutOfBounds> {
        let text = text.into();
        within(text.len(), MIN, MAX).map(|()| Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<&str> for Text<MIN, MAX> {
    type Error = OutOfBounds;

    fn try_from(text: &str) -> Result<Self, OutOfBounds> {
        Self::new(text)
    }
}

impl<const MIN: usize, const MAX: usize> TryFrom<String> for Text<MIN, MAX> {
    type Error = OutOfBounds;

    fn try_from(text: String) -> Result<Self, OutOfBounds> {
        Self::new(text)
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for String {
    fn from(text: Text<MIN, MAX>) -> Self {
        text.0
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Text<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for Text<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'b, C, const MIN: usize, const MAX: usize> Decode<'b, C> for Text<MIN, MAX> {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let text = decoder.str()?;
        within(text.len(), MIN, MAX).map_err(decode::Error::custom)?;
        Ok(Self(text.to_owned()))
    }
}

impl<C, const MIN: usize, const MAX: usize> Encode<C> for Text<MIN, MAX> {
    fn encode<W: encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.str(&self.0)?.ok()
    }
}

/// A byte string of `MIN` to `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const MIN: usize, const MAX: usize>(Vec<u8>);

impl<const MIN: usize, const MAX: usize> Bytes<MIN, MAX> {
    /// Takes the bytes if their number is in bounds.
    ///
    /// # Errors
    /// [`OutOfBounds`] with the length and the bounds.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, OutOfBounds> {
        let bytes = bytes.into();
        within(bytes.len(), MIN, MAX).map(|()| Self(bytes))
    }
}

impl<const MIN: usize, const MAX: usize> Deref for Bytes<MIN, MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> AsRef<[u8]> for Bytes<MIN, MAX> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Debug for Bytes<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", hex::encode(&self.0))
    }
}

impl<'b, C, const MIN: usize, const MAX: usize> Decode<'b, C> for Bytes<MIN, MAX> {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        let bytes = decoder.bytes()?;
        within(bytes.len(), MIN, MAX).map_err(decode::Error::custom)?;
        Ok(Self(bytes.to_vec()))
    }
}

impl<C, const MIN: usize, const MAX: usize> Encode<C> for Bytes<MIN, MAX> {
    fn encode<W: encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.bytes(&self.0)?.ok()
    }
}

/// Defines a byte string of one fixed length: CBOR in and out, hex in Debug and Display.
macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(
                decoder: &mut minicbor::Decoder<'b>,
                _: &mut C,
            ) -> Result<Self, minicbor::decode::Error> {
                <[u8; $len]>::try_from(decoder.bytes()?)
                    .map(Self)
                    .map_err(|_| minicbor::decode::Error::message("wrong length"))
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.bytes(&self.0)?.ok()
            }
        }
    };
}
pub(crate) use fixed_bytes;
