//! What others published: RFC 8032, RFC 8410, Wycheproof, the edge cases of "Taming the many
//! EdDSAs", and COSE as another implementation reads it.

use coset::{CborSerializable as _, CoseSign1, iana};
use finp2p_wire::envelope::{Kind, open, seal};
use finp2p_wire::key::{KeyError, Kid, PublicKey, SigningKey};

use crate::samples::{Bank, NETWORK};

fn bytes<const N: usize>(hex_text: &str) -> [u8; N] {
    hex::decode(hex_text).unwrap().try_into().unwrap()
}

/// RFC 8032 §7.1: TEST 1, 2, 3 and SHA(abc): private key, public key, message, signature.
const RFC_8032: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn signs_and_verifies_the_examples_of_rfc_8032() {
    for [seed, public, message, signature] in RFC_8032 {
        let key = SigningKey::from_seed(&bytes(seed));
        let message = hex::decode(message).unwrap();
        assert_eq!(hex::encode(key.public().as_bytes()), public);
        assert_eq!(hex::encode(key.sign(&message)), signature);
        assert!(
            PublicKey::from_bytes(&bytes(public))
                .unwrap()
                .verifies(&message, &bytes(signature))
        );
    }
}

/// RFC 8410 §10.1 and §10.3: one key pair, the private key without and with the public key.
const RFC_8410_PUBLIC: &str = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
const RFC_8410_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

#[test]
fn reads_and_writes_the_key_formats_of_rfc_8410() {
    let key = SigningKey::from_pkcs8_pem(RFC_8410_PRIVATE).unwrap();
    assert_eq!(key.public().to_spki_base64(), RFC_8410_PUBLIC);
    assert_eq!(
        PublicKey::from_spki_base64(RFC_8410_PUBLIC).unwrap(),
        *key.public()
    );
    assert_eq!(key.to_pkcs8_pem().unwrap().as_str(), RFC_8410_PRIVATE);
}

#[test]
fn refuses_text_that_is_not_an_ed25519_key() {
    let long = format!("{}AA==", RFC_8410_PUBLIC.trim_end_matches('='));
    for text in [
        "",
        "MCow",
        "not base64!",
        &long,
        "MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
    ] {
        assert_eq!(
            PublicKey::from_spki_base64(text).unwrap_err(),
            KeyError::NotSpki,
            "{text}"
        );
    }
    for pem in [
        "",
        "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n",
    ] {
        assert_eq!(
            SigningKey::from_pkcs8_pem(pem).unwrap_err(),
            KeyError::NotPkcs8
        );
    }
}

#[test]
fn a_private_key_shows_only_its_public_identifier() {
    let key = SigningKey::from_seed(&[7; 32]);
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("SigningKey(kid {})", key.kid()));
    assert!(!shown.contains(&hex::encode([7; 4])));
    assert_eq!(key.kid(), Kid::of(key.public().as_bytes()));
}

#[test]
fn attack_09_agrees_with_wycheproof_on_every_ed25519_case() {
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        let public: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        let public = PublicKey::from_bytes(&public).unwrap();
        for case in group.tests {
            let signature = <[u8; 64]>::try_from(case.sig.as_slice());
            let verified = signature.is_ok_and(|signature| public.verifies(&case.msg, &signature));
            let expected = case.result == TestResult::Valid;
            assert_eq!(verified, expected, "case {}: {}", case.tc_id, case.comment);
            if expected { valid += 1 } else { invalid += 1 }
        }
    }
    // The set must not shrink to nothing unnoticed.
    assert!(
        valid >= 80 && invalid >= 60,
        "{valid} valid, {invalid} invalid"
    );
}

/// Chalkias, Garillot, Nikolaenko, "Taming the many EdDSAs": message, public key, signature. Small
/// and mixed order keys and R, S not reduced, R not canonical.
const MANY_EDDSAS: [[&str; 3]; 10] = [
    [
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a0000000000000000000000000000000000000000000000000000000000000000",
    ],
    [
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
    ],
    [
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
    ],
    [
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
    ],
    [
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed5125ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
    ],
    [
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
    ],
    [
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
    ],
    [
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa19427e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
    ],
    [
        "fdaebc429f4a735932a160da1301080c13280eea8bc280d1b392c6b9e6ba3a5a",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f454d370c8d9fc323a41450f8d513eafeb5b0697390c1e505a0d4ddc71f566607",
    ],
    [
        "84b698d39be126ff55fe45079e6c8bf64a0d7db6994560b4e96b7021eb39c1a1",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f084d5b99c2a9463d9c8bd5026916996984eeec87ddf1d3be329006ace1b37b09",
    ],
];

#[test]
fn attack_09_refuses_every_ambiguous_signature_of_the_many_eddsas() {
    for (case, [message, public, signature]) in MANY_EDDSAS.into_iter().enumerate() {
        let message = hex::decode(message).unwrap();
        let verified = PublicKey::from_bytes(&bytes(public))
            .is_ok_and(|public| public.verifies(&message, &bytes(signature)));
        assert!(!verified, "case {case}");
    }
}

#[test]
fn another_cose_implementation_reads_and_verifies_our_envelope() {
    let key = Bank::a().session;
    let envelope = seal(Kind::Req, NETWORK, &key, b"payload");
    let cose = CoseSign1::from_slice(&envelope).unwrap();
    let header = &cose.protected.header;
    assert_eq!(
        header.alg,
        Some(coset::RegisteredLabelWithPrivate::Assigned(
            iana::Algorithm::Ed25519
        ))
    );
    assert_eq!(header.key_id, key.kid().0);
    assert_eq!(
        header.rest,
        [(
            coset::Label::Int(16),
            coset::cbor::Value::Text("finp2p+cose".into())
        )]
    );
    assert!(cose.unprotected.is_empty());
    // ["finp2p/1", "sandbox-finp2p", 4]
    let aad = [
        b"\x83\x68finp2p/1\x6e".as_slice(),
        NETWORK.as_bytes(),
        b"\x04",
    ]
    .concat();
    cose.verify_signature(&aad, |signature, message| {
        let signature = signature.try_into().unwrap();
        if key.public().verifies(message, &signature) {
            Ok(())
        } else {
            Err("does not verify")
        }
    })
    .unwrap();
}

#[test]
fn refuses_the_published_cose_messages_that_are_not_ours() {
    // cose-wg/Examples: sign1-tests/sign-pass-02 (ES256), eddsa-examples/eddsa-sig-02 (EdDSA).
    for message in [
        "D28443A10126A10442313154546869732069732074686520636F6E74656E742E5840EAE868ECC176883766C5DC5BA5B8DCA25DAB3C2E56A551CE5705B793914348E155388B10C4F1B59A6733EAB416870A945111A4B2FBDBEF33A77234B1DEFF2F9B",
        "D28443A10127A10445336434343854546869732069732074686520636F6E74656E742E5872988240A3A2F189BD486DE14AA77F54686C576A09F2E7ED9BAE910DF9139C2AC3BE7C27B7E10A20FA17C9D57D3510A2CF1F634BC0345AB9BE00849842171D1E9E98B2674C0E38BFCF6C557A1692B01B71015A47AC9F7748840CAD1DA80CBB5B349309FEBB912672B377C8B2072AF1598B3700",
    ] {
        assert!(open(&hex::decode(message).unwrap()).is_err());
    }
}
