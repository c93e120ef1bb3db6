//! Whether the requester's node gets as far as being asked what it wants: a root key that is pinned
//! for it must open a session at that moment.
//!
//! A node looks at this before any policy, and refuses everything else of a peer without such a key.
//! The certificates between root key and request are not in manifests, so a key that opens sessions is
//! no promise; one that opens none is the end of it.

use finp2p_crds::access::Facts;
use finp2p_wire::limits::CLOCK_SKEW_S;
use jiff::SignedDuration;

use super::Asked;
use super::sentence::Told;
use crate::node::validate::organization::key::all_closed;

/// Keys that a sentence names: a record has at most eight.
const KEYS_SHOWN: usize = 4;

/// Why every request of the requester is refused, whatever policies say; `None` when one of its root
/// keys opens sessions, and when it is no reader at all (which the access model says).
pub fn refusal(facts: &Facts, asked: &Asked) -> Option<Told> {
    let peer = facts.reader(&asked.requester).ok()?;
    // The difference that two honest clocks may have, as a node allows it.
    let skew = SignedDuration::from_secs(i64::try_from(CLOCK_SKEW_S).unwrap_or(0));
    let closed = all_closed(&peer.payload.keys, asked.now, skew)?;
    let shown: Vec<&str> = closed.iter().take(KEYS_SHOWN).map(String::as_str).collect();
    let more = match closed.len().saturating_sub(KEYS_SHOWN) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(Told {
        why: format!(
            "no root key of PeerOrganization {} opens a session at that moment ({}{more}), so every request of its node is refused before policies are asked",
            peer.name,
            shown.join("; ")
        ),
        cure: format!(
            "add a root key that is valid then to PeerOrganization {}: {} publishes it in its record (finp2p-operator export prints it there)",
            peer.name, asked.requester
        ),
    })
}
