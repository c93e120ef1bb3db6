//! Whether a root key opens sessions at a moment.

use finp2p_crds::peer_organization::RootKey;
use jiff::{SignedDuration, Timestamp};

/// Why a root key opens no session at a moment, as the end of a sentence; `None` when it does. The
/// clocks of two nodes may differ by `skew`.
pub fn closed(key: &RootKey, now: Timestamp, skew: SignedDuration) -> Option<String> {
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

/// The same for each of several keys, with its name; `None` when one of them opens sessions.
pub fn all_closed(keys: &[RootKey], now: Timestamp, skew: SignedDuration) -> Option<Vec<String>> {
    keys.iter()
        .map(|key| closed(key, now, skew).map(|why| format!("{} {why}", key.id)))
        .collect()
}
