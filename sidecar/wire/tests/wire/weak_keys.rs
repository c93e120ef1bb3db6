//! Attack 9: keys and signatures that verify here and not there, or for everything.

use finp2p_wire::envelope::{assemble, open, signing_input};
use finp2p_wire::key::{KeyError, PublicKey};

use crate::samples::{self, NETWORK};

/// Every encoding of the eight points of small order, canonical or not.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

fn point(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn attack_09_a_weak_root_is_refused_when_it_is_pinned() {
    for text in SMALL_ORDER {
        let error = PublicKey::from_bytes(&point(text)).unwrap_err();
        assert!(
            matches!(
                error,
                KeyError::Weak | KeyError::NotCanonical | KeyError::NotAPoint
            ),
            "{text}: {error}"
        );
    }
    for text in &SMALL_ORDER[4..10] {
        assert_eq!(
            PublicKey::from_bytes(&point(text)).unwrap_err(),
            KeyError::Weak
        );
    }
    // A key of the right order plus a point of order eight: its signatures may verify here and not there.
    let mixed = point("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d");
    assert_eq!(PublicKey::from_bytes(&mixed).unwrap_err(), KeyError::Weak);
    assert_eq!(
        PublicKey::from_bytes(&[2; 32]).unwrap_err(),
        KeyError::NotAPoint
    );
}

#[test]
fn attack_09_a_small_order_r_is_refused() {
    let sample = samples::all().pop().unwrap();
    let kid = sample.signer.kid();
    for text in SMALL_ORDER {
        let mut signature =
            sample
                .signer
                .sign(&signing_input(sample.kind, NETWORK, kid, &sample.payload));
        signature[..32].copy_from_slice(&point(text));
        for s in [[0; 32], signature[32..].try_into().unwrap()] {
            signature[32..].copy_from_slice(&s);
            let envelope = assemble(kid, &sample.payload, &signature);
            let verified =
                open(&envelope)
                    .unwrap()
                    .verify(sample.kind, NETWORK, sample.signer.public());
            assert!(verified.is_err(), "{text}");
        }
    }
}

#[test]
fn attack_09_an_s_that_is_not_reduced_is_refused() {
    // The group order ℓ, little-endian.
    let order = point("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let sample = samples::all().pop().unwrap();
    let kid = sample.signer.kid();
    let mut signature =
        sample
            .signer
            .sign(&signing_input(sample.kind, NETWORK, kid, &sample.payload));
    let verified = |signature: &[u8; 64]| {
        let envelope = assemble(kid, &sample.payload, signature);
        open(&envelope)
            .unwrap()
            .verify(sample.kind, NETWORK, sample.signer.public())
            .is_ok()
    };
    assert!(verified(&signature));
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert!(!verified(&signature));
}
