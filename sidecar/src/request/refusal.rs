//! The checks, as a table: what each refuses with, how the answer leaves, and what is kept of it.

use finp2p_wire::error::{Code, Reason, Refusal as Told};

/// How a refusal leaves the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// Not at all: the connection is closed.
    Close,
    /// As an unsigned hint.
    Hint,
    /// In a signed response.
    Signed,
}

/// What is kept of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A count per organization and code: it costs nobody a signature to be refused here, so it
    /// must not cost us a write.
    Counted,
    /// An audit entry.
    Entry,
}

macro_rules! checks {
    ($($(#[$doc:meta])* $name:ident = $row:literal, $code:ident, $reason:expr, $leaves:ident, $kept:ident;)*) => {
        /// A check, by what it asks for. The numbers are the rows of the protocol's table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Check {
            $($(#[$doc])* $name,)*
        }

        impl Check {
            /// Every check.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Row of the protocol's table of checks.
            pub fn row(self) -> u8 {
                match self { $(Self::$name => $row,)* }
            }

            /// The code it refuses with.
            pub fn code(self) -> Code {
                match self { $(Self::$name => Code::$code,)* }
            }

            /// The reason it refuses with, beside [`Code::NotPermitted`].
            pub fn reason(self) -> Option<Reason> {
                match self { $(Self::$name => $reason,)* }
            }

            /// How its refusal leaves.
            pub fn leaves(self) -> Leaves {
                match self { $(Self::$name => Leaves::$leaves,)* }
            }

            /// What is kept of its refusal.
            pub fn kept(self) -> Kept {
                match self { $(Self::$name => Kept::$kept,)* }
            }
        }
    };
}

checks! {
    /// The organization is pinned, its certificates lead to a pinned root, and they name the
    /// libp2p identity at the other end.
    Known = 0, Authentication, None, Close, Counted;
    /// The frame is not larger than its kind of message may be.
    Size = 1, TooLarge, None, Hint, Counted;
    /// Frame, envelope and message have the shape of the protocol.
    Shape = 2, Malformed, None, Hint, Counted;
    /// There is a version that both sides speak and that is not below the pinned minimum.
    Version = 2, Version, None, Hint, Counted;
    /// The session exists and is bound to this libp2p identity and these two keys.
    Session = 3, SessionUnknown, None, Hint, Counted;
    /// What is kept of the organization can be read.
    Memory = 4, Unavailable, None, Hint, Counted;
    /// The organization is not suspended; root, issuing and session key are in force, none is
    /// revoked, and the incarnation is not lower than one that was seen.
    Standing = 4, Authentication, None, Hint, Counted;
    /// The organization has a token left.
    Rate = 5, RateLimited, None, Hint, Counted;
    /// The request's number was not used in the session.
    Counter = 6, Replay, None, Hint, Counted;
    /// The two clocks agree to two minutes.
    Clock = 7, Clock, None, Hint, Counted;
    /// The request is for this organization and its present session key.
    Audience = 7, Audience, None, Hint, Counted;
    /// The session key signed it, as this kind of message, on this network.
    Signature = 8, Authentication, None, Hint, Entry;
    /// The resource id is well formed.
    Resource = 9, Malformed, None, Signed, Entry;
    /// This organization is the resource's Primary.
    Primary = 9, NotPrimary, None, Signed, Entry;
    /// A grant is in force for this organization, resource and operation.
    Grant = 10, NotShared, None, Signed, Entry;
    /// A grant in force is for the purpose that was named.
    Purpose = 11, NotPermitted, Some(Reason::Purpose), Signed, Entry;
    /// All units that were asked for are granted.
    Fields = 11, NotPermitted, Some(Reason::Fields), Signed, Entry;
    /// The resource has a record.
    Record = 13, NotFound, None, Signed, Entry;
    /// The store gives the record.
    Store = 14, Internal, None, Signed, Entry;
    /// The item fits into the response beside those before it.
    Fit = 14, TooLarge, None, Signed, Entry;
    /// The private store takes writes: a node whose store has stopped answers nobody, whatever it
    /// can still read. Counted, because a full disk must not be filled by refusals.
    Volume = 15, Unavailable, None, Signed, Counted;
    /// The configuration is fresh enough to decide with, and stayed the same meanwhile.
    Configuration = 15, Unavailable, None, Signed, Entry;
    /// The decision is in the audit log.
    Audit = 15, Unavailable, None, Signed, Counted;
}

/// A check that was not passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which.
    pub check: Check,
    /// Why in particular, in a word: for our own log and audit, never for the peer.
    pub detail: &'static str,
    /// Seconds after which to try again ([`Check::Rate`]).
    pub retry_s: Option<u32>,
}

impl Check {
    /// Refuses; `detail` is for this node's own people.
    pub fn refuse(self, detail: &'static str) -> Refusal {
        Refusal {
            check: self,
            detail,
            retry_s: None,
        }
    }

    /// What a peer is told of it in a signed answer.
    pub fn told(self) -> Told {
        Told::new(self.code(), self.reason()).unwrap_or(Told::NOT_SHARED)
    }

    /// The finest word of the catalogue for it.
    pub fn slug(self) -> &'static str {
        self.reason().map_or(self.code().slug(), Reason::slug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_as_the_protocol_lists_them() {
        let rows: Vec<u8> = Check::ALL.iter().map(|check| check.row()).collect();
        assert!(rows.is_sorted());
        assert_eq!((rows[0], rows[rows.len() - 1]), (0, 15));
    }

    #[test]
    fn nothing_before_the_signature_is_signed_or_written() {
        for check in Check::ALL {
            let before = check.row() < 8;
            assert_eq!(
                check.leaves() == Leaves::Signed,
                check.row() > 8,
                "{check:?}"
            );
            if before {
                assert_eq!(check.kept(), Kept::Counted, "{check:?}");
            }
        }
        assert_eq!(Check::Signature.kept(), Kept::Entry);
    }

    #[test]
    fn a_reason_is_told_exactly_where_a_grant_exists() {
        for check in Check::ALL {
            let told = check.told();
            assert_eq!(
                (told.code(), told.reason()),
                (check.code(), check.reason()),
                "{check:?}"
            );
            assert_eq!(check.reason().is_some(), check.code() == Code::NotPermitted);
        }
        assert_eq!(Check::Fields.slug(), "fields");
        assert_eq!(Check::Grant.slug(), "not-shared");
    }
}
