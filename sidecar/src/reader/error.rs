//! Why a reader has no data. Only what the Primary signed is believed as its word; everything
//! else says that there is no answer, and never that something is not shared.

use finp2p_crds::resource_id::ResourceIdError;
use finp2p_wire::certificate::ChainError;
use finp2p_wire::error::{Code, Reference, Refusal};
use finp2p_wire::message::Mismatch;

use crate::network::NetworkError;
use crate::record::VerifyError;
use crate::store::StoreError;

/// A fetch that brought nothing.
#[derive(Debug, thiserror::Error)]
#[error("no data came from the primary")]
pub struct FetchError {
    /// What happened.
    #[source]
    pub fault: Fault,
    /// Names the message that failed: what two organizations tell each other to find the same
    /// event. Absent when no message was made.
    pub reference: Option<Reference>,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No message was sent: the request cannot be made here.
    #[error("the request cannot be sent")]
    Local(#[from] LocalFault),
    /// The network brought no answer.
    #[error("no answer came back")]
    Network(#[from] NetworkError),
    /// Whoever answered did not show to be the organization.
    #[error("whoever answered is not the organization's node")]
    Hello(#[from] HelloFault),
    /// The peer answered without a signature. Its word for it, and no more.
    #[error("the peer answered without a signature: {}", .0.code)]
    Hinted(Hinted),
    /// A signed message that is not an answer to the request.
    #[error("what came back is not an answer to the request")]
    NotAnAnswer(#[from] AnswerFault),
    /// The answer holds a record that cannot be believed.
    #[error("the record in the answer was refused")]
    Record(#[from] RecordFault),
    /// The Primary refused, and signed it.
    #[error("the primary refused: {}", .0.slug())]
    Refused(Refusal),
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum LocalFault {
    /// Not a resource id.
    #[error("not a resource id")]
    Resource(#[source] ResourceIdError),
    /// A pointer or purpose that does not fit a message.
    #[error("a field or the purpose is empty or too long, or there are too many fields")]
    Bounds,
    /// The resource is managed here.
    #[error("the resource is this organization's own")]
    Own,
    /// No such peer is pinned.
    #[error("no PeerOrganization with this id is applied")]
    UnknownPeer,
    /// The peer is suspended here.
    #[error("the peer is suspended")]
    Suspended,
    /// The peer has no usable address.
    #[error("the peer's record has no address that can be dialled")]
    NoAddress,
    /// This node's keys are not certified yet.
    #[error("this node has no certificates yet")]
    NoIdentity,
    /// What is remembered about the peer could not be read or written.
    #[error("the highest incarnation of the peer could not be read or kept")]
    Memory(#[source] StoreError),
    /// All attempts together took too long.
    #[error("the attempts took too long")]
    Timeout,
}

/// Why a hello's answer was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloFault {
    /// Not a frame with a signed hello's answer.
    #[error("not an answer to a hello")]
    Malformed,
    /// Certificates that do not lead to a pinned root.
    #[error("its certificates do not lead to a pinned root")]
    Chain(#[source] ChainError),
    /// Not signed by a certified session key.
    #[error("not signed by a certified session key")]
    Signature,
    /// The certificate does not list the peer id that answered.
    #[error("the peer id is not one that the certificate lists")]
    PeerId,
    /// An answer to another hello, or by another organization.
    #[error("an answer to another hello, or by another organization")]
    OtherHello,
    /// A lower incarnation than was seen before.
    #[error("a node of an earlier incarnation")]
    Incarnation,
    /// No version that both speak and that is not below the configured minimum.
    #[error("no common protocol version")]
    Version,
    /// The clocks are too far apart.
    #[error("the clocks differ too much: theirs says {theirs}, ours {ours}")]
    Clock {
        /// Unix seconds.
        theirs: u64,
        /// Unix seconds.
        ours: u64,
    },
}

/// What a peer said without a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hinted {
    /// The code it named.
    pub code: Code,
    /// When to try again, in seconds.
    pub retry_s: Option<u64>,
    /// Its clock, unix seconds.
    pub now: Option<u64>,
}

/// Why a message was not accepted as the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// Not a frame with a signed response.
    #[error("not a response")]
    Malformed,
    /// Not signed by the session key that said hello.
    #[error("not signed by the session's key")]
    Signature,
    /// An answer to another request.
    #[error("an answer to another request")]
    Mismatch(#[source] Mismatch),
    /// Items of another organization, or not in order.
    #[error("a catalogue with items that do not belong there")]
    Catalog,
    /// It claims that a copy is current that was never named.
    #[error("it refers to a copy that this node does not hold")]
    NoCopy,
}

/// Why a record was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// The attachment is missing or is no text.
    #[error("the record is not attached")]
    Missing,
    /// The attachment is not what the signed answer names.
    #[error("the attached record is not the one that was signed for")]
    Digest,
    /// Its key is not certified for records by the organization at the time it was signed.
    #[error("the record's key is not certified")]
    Key(#[source] ChainError),
    /// Its key's certificate is not known to the peer either.
    #[error("nobody knows the record's key")]
    UnknownKey,
    /// The record itself.
    #[error("the record does not verify")]
    Verify(#[source] VerifyError),
}

impl FetchError {
    /// The code of the catalogue. 7104 and 3400 appear only when the Primary signed them.
    #[must_use]
    pub fn code(&self) -> Code {
        match &self.fault {
            Fault::Refused(refusal) => refusal.code(),
            Fault::Local(local) => local.code(),
            Fault::Network(NetworkError::Timeout) => Code::Timeout,
            Fault::Hello(HelloFault::Clock { .. }) => Code::Clock,
            Fault::Hello(HelloFault::Version) => Code::Version,
            Fault::Hinted(hinted) => hinted.believed(),
            Fault::Network(_) | Fault::Hello(_) | Fault::NotAnAnswer(_) | Fault::Record(_) => {
                Code::Unavailable
            }
        }
    }

    /// A stable word: the refusal's reason where there is one, or the code's.
    #[must_use]
    pub fn slug(&self) -> &'static str {
        match &self.fault {
            Fault::Refused(refusal) => refusal.slug(),
            _ => self.code().slug(),
        }
    }

    /// When it makes sense to ask again, in seconds, if the peer said so.
    #[must_use]
    pub fn retry_s(&self) -> Option<u64> {
        match &self.fault {
            Fault::Hinted(hinted) => hinted.retry_s,
            _ => None,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        match &self.fault {
            Fault::Refused(refusal) => refusal.sentence(),
            Fault::Local(local) => local.sentence(),
            Fault::Hello(HelloFault::Clock { .. } | HelloFault::Version) => self.code().sentence(),
            Fault::Hello(HelloFault::Incarnation) => {
                "A node of an earlier incarnation answered: its organization has replaced it and must switch it off."
            }
            Fault::Hello(_) => {
                "Compare the peer's root keys and addresses with what its organization publishes: another node answers there."
            }
            Fault::Network(NetworkError::Timeout) => self.code().sentence(),
            Fault::Network(_) => {
                "The peer cannot be reached: check its addresses, and ask its organization whether the node runs."
            }
            Fault::Hinted(hinted) => hinted.sentence(),
            Fault::NotAnAnswer(_) | Fault::Record(_) => {
                "What the peer sent was refused as not its Primary's word: tell its organization the reference."
            }
        }
    }
}

impl LocalFault {
    fn code(&self) -> Code {
        match self {
            Self::Resource(_) | Self::Bounds => Code::Malformed,
            Self::Own | Self::UnknownPeer => Code::NotPrimary,
            Self::Memory(_) => Code::Internal,
            Self::Timeout => Code::Timeout,
            Self::Suspended | Self::NoAddress | Self::NoIdentity => Code::Unavailable,
        }
    }

    fn sentence(&self) -> &'static str {
        match self {
            Self::Own => "The resource is this organization's own: read it here.",
            Self::UnknownPeer => "Apply the PeerOrganization of the resource's Primary.",
            Self::Suspended => "The PeerOrganization is suspended: nothing is asked of it.",
            Self::NoAddress => "Give the PeerOrganization an address such as /dns4/host/tcp/4001.",
            Self::NoIdentity => "Wait until the operator has certified this node's keys.",
            other => other.code().sentence(),
        }
    }
}

impl Hinted {
    /// What may be made of the hint: try later, or look at a clock or a version. A word about
    /// access, or about who we are, counts for nothing without a signature.
    fn believed(self) -> Code {
        match self.code {
            Code::SessionUnknown
            | Code::RateLimited
            | Code::Replay
            | Code::Clock
            | Code::Version
            | Code::Audience => self.code,
            _ => Code::Unavailable,
        }
    }

    fn sentence(self) -> &'static str {
        match self.believed() {
            Code::Unavailable => {
                "The peer refused without a signature, which proves nothing: try again, and tell its organization the reference."
            }
            code => code.sentence(),
        }
    }
}
