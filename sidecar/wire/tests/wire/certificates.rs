//! The rules of certificates and chains.

use finp2p_wire::certificate::*;
use finp2p_wire::key::SigningKey;

use crate::samples::{Bank, DAY, NETWORK, NOW, TryIntoBytes as _, now, trust_in};

fn verify(bank: &Bank, certificates: &[Vec<u8>]) -> Result<VerifiedCertificates, ChainError> {
    let roots = [bank.root_key()];
    verify_chain(&trust_in(bank, &roots), certificates, now())
}

fn session(bank: &Bank, change: impl FnOnce(&mut Certificate)) -> Certificate {
    let mut certificate = bank.certificate(&[Use::Net, Use::Hold], &bank.session, 2);
    change(&mut certificate);
    certificate
}

/// The issuing certificate and this one, signed by the issuing key.
fn with_issuer(bank: &Bank, certificate: &Certificate) -> Vec<Vec<u8>> {
    vec![
        bank.issuing_certificate(),
        certificate.issue(NETWORK, &bank.issuing).unwrap(),
    ]
}

#[test]
fn refuses_a_certificate_that_is_there_twice() {
    let bank = Bank::a();
    let roots = [bank.root_key()];
    let mut certificates = bank.certificates();
    certificates.push(bank.session_certificate());
    let verified = verify_chain(&trust_in(&bank, &roots), &certificates, now());
    assert_eq!(verified.err(), Some(ChainError::Bounds));
}

#[test]
fn accepts_a_node_with_its_session_and_record_key() {
    let bank = Bank::a();
    let verified = verify(&bank, &bank.certificates()).unwrap();
    assert_eq!((verified.org.as_str(), verified.incarnation), ("bank-a", 1));
    assert!(verified.skipped.is_empty());
    let session = verified.session_key(bank.session.kid()).unwrap();
    assert_eq!(session.public, *bank.session.public());
    assert_eq!(session.peers[0].as_ref(), Bank::a().peer_id());
    assert_eq!(session.not_after, NOW + 20 * DAY);
    let record = verified.record_key(bank.record.kid()).unwrap();
    assert!(record.peers.is_empty());
    assert!(verified.session_key(bank.record.kid()).is_none());
    assert!(verified.record_key(bank.session.kid()).is_none());
    assert!(verified.session_key(bank.issuing.kid()).is_none());
}

#[test]
fn the_order_of_certificates_does_not_matter() {
    let bank = Bank::a();
    let mut certificates = bank.certificates();
    certificates.reverse();
    assert_eq!(verify(&bank, &certificates).unwrap().keys.len(), 2);
}

#[test]
fn attack_01_refuses_a_chain_from_a_root_that_is_not_pinned() {
    let (bank, stranger) = (Bank::a(), Bank::new("bank-a", 0x30));
    assert_eq!(
        verify(&bank, &stranger.certificates()).unwrap_err(),
        ChainError::UnknownIssuer
    );
}

#[test]
fn attack_03_refuses_what_is_expired_not_yet_valid_or_revoked() {
    let bank = Bank::a();
    let roots = [bank.root_key()];
    let at = |now| {
        verify_chain(
            &trust_in(&bank, &roots),
            &bank.certificates(),
            Moment::Session { now },
        )
    };
    assert!(at(NOW + 20 * DAY + 120).is_ok());
    assert_eq!(at(NOW + 20 * DAY + 121).unwrap_err(), ChainError::Expired);
    assert!(at(NOW - DAY - 120).is_ok());
    assert_eq!(at(NOW - DAY - 121).unwrap_err(), ChainError::NotYetValid);
    let revoked = |serials: &[u64]| {
        let trust = Trust {
            revoked_serials: serials,
            ..trust_in(&bank, &roots)
        };
        verify_chain(&trust, &bank.certificates(), now())
    };
    assert_eq!(revoked(&[1]).unwrap_err(), ChainError::Revoked);
    let without_session = revoked(&[2]).unwrap();
    assert!(without_session.session_key(bank.session.kid()).is_none());
    assert_eq!(without_session.skipped[0].why, ChainError::Revoked);
    assert!(without_session.record_key(bank.record.kid()).is_some());
}

#[test]
fn refuses_another_organization_even_under_the_same_root() {
    let bank = Bank::a();
    let foreign = session(&bank, |certificate| {
        certificate.org = "bank-c".try_into().unwrap()
    });
    assert_eq!(
        verify(&bank, &with_issuer(&bank, &foreign)).unwrap_err(),
        ChainError::Organization
    );
}

#[test]
fn refuses_a_certificate_of_another_network() {
    let bank = Bank::a();
    let other = session(&bank, |_| ())
        .issue("production", &bank.issuing)
        .unwrap();
    let certificates = [bank.issuing_certificate(), other];
    assert_eq!(
        verify(&bank, &certificates).unwrap_err(),
        ChainError::Signature
    );
}

#[test]
fn a_root_certifies_issuing_keys_only_and_an_issuing_key_none() {
    let bank = Bank::a();
    let by_root = session(&bank, |_| ()).issue(NETWORK, &bank.root).unwrap();
    assert_eq!(
        verify(&bank, &[by_root]).unwrap_err(),
        ChainError::IssuerRole
    );

    let second = SigningKey::from_seed(&[0x77; 32]);
    let second_issuer = bank
        .certificate(&[Use::Issue], &second, 9)
        .issue(NETWORK, &bank.issuing)
        .unwrap();
    let node = session(&bank, |_| ()).issue(NETWORK, &second).unwrap();
    let certificates = [bank.issuing_certificate(), second_issuer, node];
    assert_eq!(
        verify(&bank, &certificates).unwrap_err(),
        ChainError::UnknownIssuer
    );
}

#[test]
fn a_node_key_certifies_nothing() {
    let bank = Bank::a();
    let stolen = SigningKey::from_seed(&[0x78; 32]);
    let by_session = bank
        .certificate(&[Use::Net], &stolen, 9)
        .issue(NETWORK, &bank.session)
        .unwrap();
    let verified = verify(
        &bank,
        &[
            bank.issuing_certificate(),
            bank.session_certificate(),
            by_session,
        ],
    )
    .unwrap();
    assert!(verified.session_key(stolen.kid()).is_none());
    assert_eq!(verified.skipped[0].why, ChainError::UnknownIssuer);
}

#[test]
fn refuses_a_bad_signature_of_a_known_issuer() {
    let bank = Bank::a();
    let mut certificates = bank.certificates();
    *certificates[1].last_mut().unwrap() ^= 1;
    assert_eq!(
        verify(&bank, &certificates).unwrap_err(),
        ChainError::Signature
    );
}

#[test]
fn keeps_uses_apart() {
    let bank = Bank::a();
    let role = |uses: &[Use]| bank.certificate(uses, &bank.session, 2).check();
    assert_eq!(role(&[Use::Issue]), Ok(Role::Issuing));
    assert_eq!(role(&[Use::Net]), Ok(Role::Session));
    assert_eq!(role(&[Use::Net, Use::Hold]), Ok(Role::Session));
    assert_eq!(role(&[Use::Rec]), Ok(Role::Record));
    assert_eq!(role(&[Use::Dec]), Ok(Role::Record));
    assert_eq!(role(&[Use::Rec, Use::Dec]), Ok(Role::Record));
    for refused in [
        &[Use::Issue, Use::Net][..],
        &[Use::Net, Use::Rec],
        &[Use::Rec, Use::Hold],
        &[Use::Hold],
        &[Use::Hold, Use::Net],
        &[Use::Rec, Use::Rec],
        &[Use::Issue, Use::Net, Use::Rec, Use::Dec, Use::Hold],
    ] {
        assert_eq!(role(refused), Err(CertificateError::Uses), "{refused:?}");
    }
}

#[test]
fn refuses_one_key_in_two_roles() {
    let bank = Bank::a();
    let record = bank
        .certificate(&[Use::Rec], &bank.session, 3)
        .issue(NETWORK, &bank.issuing)
        .unwrap();
    let certificates = [
        bank.issuing_certificate(),
        bank.session_certificate(),
        record,
    ];
    assert_eq!(
        verify(&bank, &certificates).unwrap_err(),
        ChainError::KeyReused
    );
}

#[test]
fn an_issuer_never_signs_what_every_verifier_refuses() {
    let bank = Bank::a();
    let refused = |change: fn(&mut Certificate)| {
        let certificate = session(&bank, change);
        let external = certificate
            .signing_input(NETWORK, bank.issuing.kid())
            .unwrap_err();
        assert_eq!(
            certificate.issue(NETWORK, &bank.issuing).unwrap_err(),
            external
        );
        external
    };
    assert_eq!(refused(|c| c.peers = None), CertificateError::Peers);
    assert_eq!(
        refused(|c| c.not_after = c.not_before - 1),
        CertificateError::Window
    );
    assert_eq!(
        refused(|c| c.not_after = c.not_before + 31 * DAY + 1),
        CertificateError::Life
    );
    assert_eq!(refused(|c| c.serial = 0), CertificateError::Number);
    assert_eq!(
        refused(|c| c.incarnation = 1 << 53),
        CertificateError::Number
    );
    assert_eq!(
        refused(|c| c.uses = vec![Use::Issue].try_into().unwrap()),
        CertificateError::Peers
    );
    let year = |uses: &[Use], days| {
        let mut certificate = bank.certificate(uses, &bank.issuing, 5);
        certificate.not_after = certificate.not_before + days * DAY;
        certificate.check().is_ok()
    };
    assert!(year(&[Use::Issue], 366) && !year(&[Use::Issue], 367));
    assert!(year(&[Use::Rec], 366) && !year(&[Use::Rec], 367));
}

#[test]
fn an_issuer_outside_this_process_makes_the_same_certificate() {
    let bank = Bank::a();
    let certificate = session(&bank, |_| ());
    let input = certificate
        .signing_input(NETWORK, bank.issuing.kid())
        .unwrap();
    let assembled = certificate.assemble(bank.issuing.kid(), &bank.issuing.sign(&input));
    assert_eq!(assembled, bank.session_certificate());
    assert_eq!(
        Certificate::decode_unverified(&assembled).unwrap(),
        certificate
    );
}

#[test]
fn refuses_two_incarnations_in_one_hello_and_one_below_the_issuers() {
    let bank = Bank::a();
    let next = session(&bank, |certificate| certificate.incarnation = 2);
    let mut certificates = bank.certificates();
    certificates[1] = next.issue(NETWORK, &bank.issuing).unwrap();
    assert_eq!(
        verify(&bank, &certificates).unwrap_err(),
        ChainError::Incarnation
    );
    assert_eq!(
        verify(&bank, &with_issuer(&bank, &next))
            .unwrap()
            .incarnation,
        2
    );

    let mut issuing = bank.certificate(&[Use::Issue], &bank.issuing, 1);
    issuing.incarnation = 2;
    let certificates = [
        issuing.issue(NETWORK, &bank.root).unwrap(),
        bank.session_certificate(),
    ];
    assert_eq!(
        verify(&bank, &certificates).unwrap_err(),
        ChainError::Incarnation
    );
}

#[test]
fn a_root_is_rotated_without_a_gap() {
    let bank = Bank::a();
    let new_root = SigningKey::from_seed(&[0x79; 32]);
    let by_new = bank
        .certificate(&[Use::Issue], &bank.issuing, 7)
        .issue(NETWORK, &new_root)
        .unwrap();
    let certificates = [
        bank.issuing_certificate(),
        by_new,
        bank.session_certificate(),
    ];
    let old = bank.root_key();
    let new = RootKey {
        public: new_root.public().clone(),
        ..bank.root_key()
    };
    let retired = RootKey {
        verify_only: true,
        ..old.clone()
    };
    for roots in [
        vec![old.clone()],
        vec![old.clone(), new.clone()],
        vec![retired, new.clone()],
        vec![new],
    ] {
        let verified = verify_chain(&trust_in(&bank, &roots), &certificates, now()).unwrap();
        assert!(verified.session_key(bank.session.kid()).is_some());
    }
}

#[test]
fn a_retired_root_verifies_records_and_opens_no_session() {
    let bank = Bank::a();
    let roots = [RootKey {
        verify_only: true,
        ..bank.root_key()
    }];
    let trust = trust_in(&bank, &roots);
    assert_eq!(
        verify_chain(&trust, &bank.certificates(), now()).unwrap_err(),
        ChainError::Root
    );
    let record = Moment::Record {
        issued_at: NOW,
        received_at: NOW + 900 * DAY,
    };
    assert!(
        verify_chain(&trust, &bank.certificates(), record)
            .unwrap()
            .record_key(bank.record.kid())
            .is_some()
    );
}

#[test]
fn a_revoked_root_vouches_for_nothing_received_from_then_on() {
    let bank = Bank::a();
    let roots = [RootKey {
        revoked_at: Some(NOW),
        ..bank.root_key()
    }];
    let trust = trust_in(&bank, &roots);
    let at = |received_at| {
        let moment = Moment::Record {
            issued_at: NOW - 10,
            received_at,
        };
        verify_chain(&trust, &bank.certificates(), moment)
    };
    assert!(at(NOW - 1).is_ok());
    assert_eq!(at(NOW).unwrap_err(), ChainError::Root);
    assert_eq!(
        verify_chain(&trust, &bank.certificates(), now()).unwrap_err(),
        ChainError::Root
    );
}

#[test]
fn a_record_key_counts_only_for_what_was_issued_in_its_time() {
    let bank = Bank::a();
    let roots = [bank.root_key()];
    let trust = trust_in(&bank, &roots);
    let issued = |issued_at| {
        let moment = Moment::Record {
            issued_at,
            received_at: NOW + 300 * DAY,
        };
        verify_chain(&trust, &bank.certificates(), moment)
    };
    assert!(issued(NOW).is_ok());
    assert_eq!(issued(NOW + 30 * DAY).unwrap_err(), ChainError::Expired);
    assert_eq!(issued(NOW - 30 * DAY).unwrap_err(), ChainError::NotYetValid);
}

#[test]
fn past_record_keys_may_be_of_several_incarnations() {
    let bank = Bank::a();
    let past = SigningKey::from_seed(&[0x7a; 32]);
    let mut later = bank.certificate(&[Use::Rec], &past, 8);
    later.incarnation = 4;
    let certificates = [
        bank.issuing_certificate(),
        bank.record_certificate(),
        later.issue(NETWORK, &bank.issuing).unwrap(),
    ];
    let roots = [bank.root_key()];
    let moment = Moment::Record {
        issued_at: NOW,
        received_at: NOW,
    };
    let verified = verify_chain(&trust_in(&bank, &roots), &certificates, moment).unwrap();
    assert_eq!((verified.keys.len(), verified.incarnation), (2, 4));
}

#[test]
fn refuses_too_few_too_many_and_too_large_certificates() {
    let bank = Bank::a();
    let bounds = Err(ChainError::Bounds);
    assert_eq!(verify(&bank, &[]).map(|_| ()), bounds);
    let five = vec![bank.issuing_certificate(); 5];
    assert_eq!(verify(&bank, &five).map(|_| ()), bounds);
    assert_eq!(verify(&bank, &[vec![0; 1025]]).map(|_| ()), bounds);
    let alone = [bank.issuing_certificate()];
    assert_eq!(
        verify(&bank, &alone).unwrap_err(),
        ChainError::NoNodeCertificate
    );
    let garbage = [b"garbage".to_vec()];
    assert_eq!(
        verify(&bank, &garbage).unwrap_err(),
        ChainError::Certificate(CertificateError::Envelope)
    );
}

#[test]
fn refuses_a_certified_key_that_is_weak() {
    let bank = Bank::a();
    let weak = session(&bank, |certificate| certificate.key = KeyBytes([0; 32]));
    let refused = verify(&bank, &with_issuer(&bank, &weak)).unwrap_err();
    assert_eq!(refused, ChainError::Key(finp2p_wire::key::KeyError::Weak));
}

#[test]
fn the_largest_certificate_is_within_its_bound() {
    let bank = Bank::a();
    let mut largest = session(&bank, |_| ());
    largest.org = "a".repeat(63).as_str().try_into().unwrap();
    largest.peers = Some(
        vec![vec![1; 64].try_into_bytes(), vec![2; 64].try_into_bytes()]
            .try_into()
            .unwrap(),
    );
    (largest.serial, largest.incarnation) = ((1 << 53) - 1, (1 << 53) - 1);
    assert!(largest.issue(NETWORK, &bank.issuing).unwrap().len() < 512);
}
