//! Record keys, past and present: public facts, for whoever is pinned.

use std::cmp::Reverse;

use finp2p_wire::limits::CERTIFICATES_MAX;
use finp2p_wire::message::{Answer, Keys, KeysAnswer};

use super::decision::{Asked, Decided};
use super::hello::certificates;
use super::snapshot::RecordCertificate;
use super::trail::Finding;

/// Gives the certificates of the keys that are known, as many as fit one answer: the best of each
/// key, then the second best. A record key never goes without the issuing certificate behind it.
pub(super) fn decide(asked: &Asked<'_>, wanted: &Keys) -> Decided {
    let known: Vec<_> = wanted
        .kids
        .iter()
        .filter_map(|kid| asked.snapshot.record_keys.get(kid))
        .map(|known| best_first(known, wanted.at))
        .collect();
    let most = known.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..most).flat_map(|nth| known.iter().filter_map(move |of_one| of_one.get(nth)));
    let mut shown: Vec<Vec<u8>> = Vec::new();
    for certificate in in_turn {
        let mut with: Vec<Vec<u8>> = certificate
            .envelopes()
            .into_iter()
            .filter(|certificate| !shown.contains(certificate))
            .cloned()
            .collect();
        if shown.len() + with.len() <= CERTIFICATES_MAX {
            shown.append(&mut with);
        }
    }
    Decided {
        answer: Answer::Keys(KeysAnswer {
            certs: certificates(&shown),
        }),
        attachments: Vec::new(),
        findings: vec![Finding::granted()],
        misses: 0,
        tokens: 0,
    }
}

/// Those that hold at the time of the record that is asked about, then the others; of either the
/// one that ends last first.
fn best_first(known: &[RecordCertificate], at: Option<u64>) -> Vec<&RecordCertificate> {
    let mut sorted: Vec<_> = known.iter().collect();
    sorted.sort_by_key(|certificate| {
        let covers = at.is_none_or(|at| certificate.covers(at));
        (!covers, Reverse(certificate.not_after()))
    });
    sorted
}
