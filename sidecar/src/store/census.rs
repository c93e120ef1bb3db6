//! The census: one sum over all heads, sealed with them, so that a start notices a row that was
//! rolled back, removed or added behind the store's back.
//!
//! Each head counts as HMAC(census key, stored key ‖ sealed row), a number of 256 bits; the
//! census is their sum modulo 2²⁵⁶, so one change costs one addition and one subtraction whatever
//! the order. Without the key nobody can find another set of rows with the same sum.

use super::sealed::{Sealer, tag};

/// Sum over heads, and the revision of the store that it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Number of commits so far.
    pub revision: u64,
    /// Least significant limb first.
    sum: [u64; 4],
}

impl Census {
    pub(super) fn add(&mut self, sealer: &Sealer, key: &[u8], row: &[u8]) {
        let mut carry = false;
        for (limb, term) in self.sum.iter_mut().zip(weight(sealer, key, row)) {
            let (sum, over) = limb.overflowing_add(term);
            let (sum, over_again) = sum.overflowing_add(carry.into());
            *limb = sum;
            carry = over | over_again;
        }
    }

    pub(super) fn subtract(&mut self, sealer: &Sealer, key: &[u8], row: &[u8]) {
        let mut borrow = false;
        for (limb, term) in self.sum.iter_mut().zip(weight(sealer, key, row)) {
            let (rest, under) = limb.overflowing_sub(term);
            let (rest, under_again) = rest.overflowing_sub(borrow.into());
            *limb = rest;
            borrow = under | under_again;
        }
    }

    /// The same sum as of another revision.
    pub(super) fn with_revision(&self, revision: u64) -> Self {
        Self {
            revision,
            sum: self.sum,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let numbers = std::iter::once(self.revision).chain(self.sum);
        numbers.flat_map(u64::to_be_bytes).collect()
    }

    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let plain: [u8; 40] = plain.try_into().ok()?;
        let (numbers, _) = plain.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_be_bytes(*bytes));
        Some(Self {
            revision: numbers.next()?,
            sum: [
                numbers.next()?,
                numbers.next()?,
                numbers.next()?,
                numbers.next()?,
            ],
        })
    }
}

fn weight(sealer: &Sealer, key: &[u8], row: &[u8]) -> [u64; 4] {
    let bytes = tag(&sealer.census, b"head", &[key, row]);
    let (limbs, _) = bytes.as_chunks::<8>();
    let mut weight = [0; 4];
    for (limb, bytes) in weight.iter_mut().zip(limbs) {
        *limb = u64::from_le_bytes(*bytes);
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::keyring::Keyring;

    fn sealer() -> Sealer {
        Sealer::new(&Keyring {
            store: [1; 16],
            data_key: [2; 32].into(),
        })
    }

    #[test]
    fn comes_back_to_what_it_was_whatever_the_order() {
        let sealer = sealer();
        let rows: Vec<[u8; 2]> = (0..200_u8).map(|n| [n, n ^ 0x5a]).collect();
        let mut forth = Census::default();
        let mut back = Census::default();
        for [key, row] in &rows {
            forth.add(&sealer, &[*key], &[*row]);
        }
        for [key, row] in rows.iter().rev() {
            back.add(&sealer, &[*key], &[*row]);
        }
        assert_eq!(forth, back);
        assert_eq!(Census::decode(&forth.encode()), Some(forth.clone()));
        for [key, row] in &rows[1..] {
            back.subtract(&sealer, &[*key], &[*row]);
        }
        let mut first = Census::default();
        first.add(&sealer, &rows[0][..1], &rows[0][1..]);
        assert_eq!(back, first);
        first.subtract(&sealer, &rows[0][..1], &rows[0][1..]);
        assert_eq!(first, Census::default());
    }

    #[test]
    fn differs_when_a_row_or_its_place_differs() {
        let sealer = sealer();
        let sum = |rows: &[(&[u8], &[u8])]| {
            let mut census = Census::default();
            for (key, row) in rows {
                census.add(&sealer, key, row);
            }
            census
        };
        let honest = sum(&[(b"a", b"1"), (b"b", b"2")]);
        assert_ne!(honest, sum(&[(b"a", b"1")]));
        assert_ne!(honest, sum(&[(b"a", b"2"), (b"b", b"1")]));
        assert_ne!(honest, sum(&[(b"a", b"1"), (b"b", b"3")]));
        assert_ne!(sum(&[(b"ab", b"c")]), sum(&[(b"a", b"bc")]));
    }
}
