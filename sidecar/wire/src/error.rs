//! The closed catalogue of errors: what may leave a node as a reason for "no".
//!
//! Public FinP2P numbers keep their meaning, 90xx is ours. The wire carries code and slug; the
//! local API adds a status and a sentence that says how to mend it. Nothing else is ever told: the
//! finer reason stays in the log and the audit of the node that refused, under the
//! [`Reference`] that both sides can compute.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use crate::cbor::fixed_bytes;
use crate::digest::Digest;

/// One row per code: variant, number, slug, status of the local API, retryable, sentence.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $slug:literal, $http:literal, $retry:literal, $mend:literal;)*) => {
        /// A code of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            /// Every code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code of a number, if the catalogue has it.
            pub fn from_number(number: u64) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// A stable word for programs.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// Status of the local HTTP API.
            pub fn http_status(self) -> u16 {
                match self { $(Self::$name => $http,)* }
            }

            /// Whether the same request may succeed later without anybody mending anything.
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }

            /// What a person can do about it.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $mend,)* }
            }
        }
    };
}

catalogue! {
    /// The message or request is not of the protocol's shape.
    Malformed = 1002, "malformed", 400, false,
        "The request is not of the expected shape: compare it with the API description.";
    /// The record does not exist; only a reader with a grant is told.
    NotFound = 1100, "not-found", 404, false,
        "The resource is shared with you but has no record yet: ask its Primary to write one.";
    /// The node cannot serve now, and refuses rather than guess.
    Unavailable = 2002, "unavailable", 503, true,
        "The node cannot answer now: try again, and look at its status if that does not help.";
    /// The peer did not answer in time.
    Timeout = 2003, "timeout", 504, true,
        "The peer did not answer in time: try again, and check that it is reachable.";
    /// A fault of the node, such as a damaged store.
    Internal = 2202, "internal", 500, false,
        "The node has a fault: its operator finds the cause in the log under the reference.";
    /// Who is asking could not be established. One code for every cause.
    Authentication = 3000, "authentication", 401, false,
        "The caller could not be authenticated: check key, certificate or token, and their validity.";
    /// A grant exists, and this request is outside it; the [`Reason`] says in what.
    NotPermitted = 3400, "not-permitted", 403, false,
        "The grant does not cover this request: ask for less, or ask the Primary for more.";
    /// Not shared with the caller. Says nothing about whether the resource exists.
    NotShared = 7104, "not-shared", 403, false,
        "The resource is not shared with you: ask its Primary for a policy that names you.";
    /// Larger than the protocol allows, or an item that did not fit into the response.
    TooLarge = 9001, "too-large", 413, false,
        "The message is too large: ask for fewer items at once.";
    /// The session is not known here (any more).
    SessionUnknown = 9002, "session-unknown", 503, true,
        "The peer no longer knows the session: the node says hello again by itself.";
    /// Too many requests from this organization.
    RateLimited = 9003, "rate-limited", 429, true,
        "Too many requests: wait as long as told, then ask more slowly.";
    /// The counter was used before, or is too old.
    Replay = 9004, "replay", 503, true,
        "The peer has seen this request before: send it again as a new one.";
    /// The clocks of the two nodes are too far apart.
    Clock = 9005, "clock", 503, false,
        "The clocks of the two nodes are more than two minutes apart: check time synchronization.";
    /// Addressed to another organization or key.
    Audience = 9006, "audience", 503, true,
        "The request was meant for another node: check the address of the peer.";
    /// The asked node is not the Primary of the resource.
    NotPrimary = 9007, "not-primary", 400, false,
        "The asked organization does not manage this resource: ask the first part of its id.";
    /// No common protocol version.
    Version = 9008, "version", 503, false,
        "The two nodes have no protocol version in common: update the older one.";
    /// The reader must take a snapshot.
    SnapshotRequired = 9009, "snapshot-required", 503, true,
        "The replicas must be fetched anew: the node does so by itself.";
    /// The lane was born again at the Primary.
    EpochChanged = 9010, "epoch-changed", 503, true,
        "The Primary's lane was renewed: the node follows by itself.";
    /// Written, and not yet confirmed by as many recipients as asked for.
    QuorumPending = 9011, "quorum-pending", 202, true,
        "Accepted, and not yet confirmed by enough recipients: ask for the status later.";
    /// A status list that a credential depends on cannot be had or is too old.
    StatusUnavailable = 9012, "status-unavailable", 503, true,
        "The status of a credential is not known at the moment: try again in a minute.";
    /// Two contents under one version.
    Equivocation = 9013, "equivocation", 409, false,
        "There are two different contents under one version: call the Primary, both are kept.";
}

impl Code {
    /// The code's number.
    pub fn number(self) -> u16 {
        self as u16
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.number(), self.slug())
    }
}

impl<'b, C> Decode<'b, C> for Code {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::from_number(decoder.u64()?).ok_or_else(|| decode::Error::message("unknown code"))
    }
}

impl<C> Encode<C> for Code {
    fn encode<W: encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.u16(self.number())?.ok()
    }
}

/// In what a request is outside its grant: the reason that goes with [`Code::NotPermitted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The purpose is not among those granted, or is missing.
    Purpose,
    /// A field was asked for that is not granted, or does not exist: the two look the same.
    Fields,
    /// A required credential was not presented.
    CredentialMissing,
    /// A credential that cannot be believed.
    CredentialInvalid,
    /// A credential outside its time.
    CredentialExpired,
    /// The presenter did not prove to be the credential's holder.
    Holder,
    /// A credential its issuer took back.
    CredentialRevoked,
    /// The policy's condition does not hold.
    Condition,
    /// The user's consent is missing or does not fit.
    Consent,
}

impl Reason {
    /// Every reason, in the order of the checks.
    pub const ALL: [Self; 9] = [
        Self::Purpose,
        Self::Fields,
        Self::CredentialMissing,
        Self::CredentialInvalid,
        Self::CredentialExpired,
        Self::Holder,
        Self::CredentialRevoked,
        Self::Condition,
        Self::Consent,
    ];

    /// A stable word for programs, also on the wire.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Purpose => "purpose",
            Self::Fields => "fields",
            Self::CredentialMissing => "credential-missing",
            Self::CredentialInvalid => "credential-invalid",
            Self::CredentialExpired => "credential-expired",
            Self::Holder => "holder",
            Self::CredentialRevoked => "credential-revoked",
            Self::Condition => "condition",
            Self::Consent => "consent",
        }
    }

    /// The reason of a slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.slug() == slug)
    }

    /// What a person can do about it.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Purpose => "Name one of the purposes that the catalogue lists for this resource.",
            Self::Fields => {
                "Ask only for fields that the catalogue lists for this resource, with a purpose that it lists if it lists any."
            }
            Self::CredentialMissing => "Present the credentials that the catalogue asks for.",
            Self::CredentialInvalid => {
                "Ask the issuer for a new credential: this one cannot be verified."
            }
            Self::CredentialExpired => "Renew the credential: it is outside its time.",
            Self::Holder => "Present the credential with a proof of the key it was issued to.",
            Self::CredentialRevoked => "Ask the issuer why the credential was revoked.",
            Self::Condition => "The Primary's condition does not hold for this credential.",
            Self::Consent => "Ask the user for consent to this purpose and asset.",
        }
    }
}

impl<'b, C> Decode<'b, C> for Reason {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        Self::from_slug(decoder.str()?).ok_or_else(|| decode::Error::message("unknown reason"))
    }
}

impl<C> Encode<C> for Reason {
    fn encode<W: encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder.str(self.slug())?.ok()
    }
}

/// A code, with a reason exactly when the code is [`Code::NotPermitted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    code: Code,
    reason: Option<Reason>,
}

impl Refusal {
    /// An item that does not fit into the response.
    pub const TOO_LARGE: Self = Self {
        code: Code::TooLarge,
        reason: None,
    };
    /// Not shared with the caller, or not there: the two look the same.
    pub const NOT_SHARED: Self = Self {
        code: Code::NotShared,
        reason: None,
    };

    /// A refusal outside the grant, for this reason.
    pub fn not_permitted(reason: Reason) -> Self {
        Self {
            code: Code::NotPermitted,
            reason: Some(reason),
        }
    }

    /// A refusal from its parts, if they belong together.
    pub fn new(code: Code, reason: Option<Reason>) -> Option<Self> {
        ((code == Code::NotPermitted) == reason.is_some()).then_some(Self { code, reason })
    }

    /// The code.
    pub fn code(self) -> Code {
        self.code
    }

    /// The reason; there is one exactly when the code is [`Code::NotPermitted`].
    pub fn reason(self) -> Option<Reason> {
        self.reason
    }

    /// The finest slug: the reason's, or the code's.
    pub fn slug(self) -> &'static str {
        self.reason.map_or(self.code.slug(), Reason::slug)
    }

    /// The finest sentence: the reason's, or the code's.
    pub fn sentence(self) -> &'static str {
        self.reason.map_or(self.code.sentence(), Reason::sentence)
    }
}

fixed_bytes!(
    /// What two organizations tell each other on the phone to find the same event: the first 8
    /// bytes of the request's digest, shown in hex.
    Reference, 8
);

impl Reference {
    /// The reference of a request by the digest of its envelope.
    pub fn of(request: &Digest) -> Self {
        let mut reference = [0; 8];
        for (to, from) in reference.iter_mut().zip(request.0) {
            *to = from;
        }
        Self(reference)
    }
}
