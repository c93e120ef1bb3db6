//! Two versions of one resource, side by side.

use super::issued::RecordHash;

/// What identifies a signed version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version<'a> {
    /// The organization that signed.
    pub iss: &'a str,
    /// The resource id.
    pub sub: &'a str,
    /// The version number.
    pub ver: u64,
    /// The hash of the signing input.
    pub hash: RecordHash,
}

/// How an offered version stands to the one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// The same version with the same hash; its disclosures may still differ.
    Same,
    /// A later version.
    Newer,
    /// An earlier version: to be ignored.
    Older,
    /// The same version number for other content: the Primary told two stories. Keep both,
    /// refuse the second (9013), raise the alarm.
    Equivocation,
    /// Another resource, or another issuer.
    Unrelated,
}

impl Version<'_> {
    /// How `offered` stands to `self`, the version that is held. Both must be verified: an
    /// unverified hash accuses nobody.
    #[must_use]
    pub fn succession(&self, offered: &Version<'_>) -> Succession {
        use std::cmp::Ordering::{Equal, Greater, Less};
        if (self.iss, self.sub) != (offered.iss, offered.sub) {
            return Succession::Unrelated;
        }
        match offered.ver.cmp(&self.ver) {
            Less => Succession::Older,
            Greater => Succession::Newer,
            Equal if offered.hash == self.hash => Succession::Same,
            Equal => Succession::Equivocation,
        }
    }
}
