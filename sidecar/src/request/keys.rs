//! Record keys, past and present: public facts, for whoever is pinned.

use finp2p_wire::limits::CERTIFICATES_MAX;
use finp2p_wire::message::{Answer, Keys, KeysAnswer};

use super::decision::{Asked, Decided};
use super::hello::certificates;
use super::trail::Finding;

/// Gives the certificates of the keys that are known, as many as fit one answer. A record key
/// never goes without the issuing certificate behind it.
pub(super) fn decide(asked: &Asked<'_>, wanted: &Keys) -> Decided {
    let mut shown: Vec<Vec<u8>> = Vec::new();
    for kid in &wanted.kids {
        let Some(known) = asked.snapshot.record_keys.get(kid) else {
            continue;
        };
        let mut with: Vec<Vec<u8>> = [&known.issuing, &known.certificate]
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
