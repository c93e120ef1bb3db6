//! Whether the requester's node gets as far as being asked what it wants: a root key that is pinned
//! for it must open a session at that moment.
//!
//! A node looks at this before any policy, and refuses everything else of a peer without such a key.
//! The certificates between root key and request are not in manifests, so a key that opens sessions is
//! no promise; one that opens none is the end of it.

use finp2p_crds::access::Facts;
use finp2p_crds::peer_organization::RootKey;
use finp2p_wire::limits::CLOCK_SKEW_S;
use jiff::{SignedDuration, Timestamp};

use super::Asked;
use super::sentence::Told;

/// Keys that a sentence names: a record has at most eight.
const KEYS_SHOWN: usize = 4;

/// Why a root key opens no session at a moment, as the end of a sentence; `None` when it does.
fn closed(key: &RootKey, now: Timestamp) -> Option<String> {
    // The difference that two honest clocks may have, as a node allows it.
    let skew = SignedDuration::from_secs(i64::try_from(CLOCK_SKEW_S).unwrap_or(0));
    let opens = key.not_before.0.checked_sub(skew);
    let opens = opens.unwrap_or(Timestamp::MIN);
    let closes = key.not_after.0.checked_add(skew);
    let closes = closes.unwrap_or(Timestamp::MAX);
    if let Some(at) = key.revoked_at.as_ref().filter(|at| at.0 <= now) {
        return Some(format!("is revoked since {}", at.0));
    }
    if key.verify_only == Some(true) {
        return Some(
            "is verifyOnly: it vouches for what it certified, and for nothing new".to_owned(),
        );
    }
    if now < opens {
        return Some(format!("begins at {}", key.not_before.0));
    }
    (now >= closes).then(|| format!("ended at {}", key.not_after.0))
}

/// Why every request of the requester is refused, whatever policies say; `None` when one of its root
/// keys opens sessions, and when it is no reader at all (which the access model says).
pub fn refusal(facts: &Facts, asked: &Asked) -> Option<Told> {
    let peer = facts.reader(&asked.requester).ok()?;
    let closed: Vec<String> = peer
        .payload
        .keys
        .iter()
        .map(|key| closed(key, asked.now).map(|why| format!("{} {why}", key.id)))
        .collect::<Option<_>>()?;
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
