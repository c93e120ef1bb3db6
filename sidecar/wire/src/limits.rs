//! Every bound of the wire, with the reason for its number. A sender's types cannot hold more,
//! a receiver refuses more; what is too large as a whole is `9001 too-large`, what is too many
//! inside is `1002 malformed`.

/// A frame whose first message is a hello, or a hello's answer. Four certificates of about
/// 350 bytes, sixteen addresses and the fixed fields stay under 8 KiB; twice that is slack for
/// extensions, and it is all that an organization nobody knows can make us read.
pub const HELLO_FRAME_MAX_BYTES: usize = 16 * 1024;

/// A frame that carries a request. Sixty-four items with a few pointers each are about 20 KiB.
pub const REQUEST_FRAME_MAX_BYTES: usize = 64 * 1024;

/// A frame that carries a response: four records of the largest size (256 KiB), or hundreds of
/// ordinary ones. Small enough to be held for every request in flight.
pub const RESPONSE_FRAME_MAX_BYTES: usize = 1024 * 1024;

/// A certificate's envelope. With two peer ids and the longest organization it is below 400 bytes.
pub const CERTIFICATE_MAX_BYTES: usize = 1024;

/// Certificates in a hello or an answer to `keys`: an issuing, a session and a record
/// certificate, and one more while something is being rotated.
pub const CERTIFICATES_MAX: usize = 4;

/// Peer ids in a network certificate: the one in use and, while it rotates, its successor.
pub const PEER_IDS_MAX: usize = 2;

/// Bytes of a libp2p peer id: an Ed25519 key as identity multihash is 38, a SHA-256 one 34.
pub const PEER_ID_MAX_BYTES: usize = 64;

/// Items of one fetch and attachments of one frame: each item costs an access decision and an
/// audit entry, and 64 of them already hide the cost of the signature.
pub const ITEMS_MAX: usize = 64;

/// Pointers in one fetch item, as many as a policy may list.
pub const POINTERS_MAX: usize = 64;

/// Bytes of one JSON Pointer, as on the custom resources.
pub const POINTER_MAX_BYTES: usize = 256;

/// Bytes of an organization id: it is a DNS label.
pub const ORGANIZATION_MAX_BYTES: usize = 63;

/// Bytes of a resource id: organization (63), a type number (10), an id (128), two colons, slack.
pub const RESOURCE_MAX_BYTES: usize = 256;

/// Bytes of a network's name (consortium and environment).
pub const NETWORK_MAX_BYTES: usize = 63;

/// Purposes of one view: what four policies with the most purposes each allow together.
pub const PURPOSES_MAX: usize = 64;

/// Bytes of a purpose: it is a label.
pub const PURPOSE_MAX_BYTES: usize = 63;

/// Presentations referred to by one request: a handful of credentials about the requester and
/// one user; each is an attachment and costs signatures to check.
pub const PRESENTATIONS_MAX: usize = 8;

/// Disclosure units of one record.
pub const UNITS_MAX: usize = 256;

/// Assets on one page of a catalogue.
pub const CATALOG_PAGE_MAX: usize = 256;

/// Kinds of credential one asset asks for, and issuers named for each.
pub const NEEDS_MAX: usize = 16;

/// Bytes of a credential type or an issuer's identifier, as on the custom resources.
pub const ISSUER_MAX_BYTES: usize = 512;

/// Record keys asked for at once.
pub const KEYS_MAX: usize = 16;

/// Protocol versions in a hello.
pub const VERSIONS_MAX: usize = 8;

/// Capabilities in a hello, and bytes of each.
pub const CAPABILITIES_MAX: usize = 16;

/// Bytes of one capability's name.
pub const CAPABILITY_MAX_BYTES: usize = 32;

/// Addresses in a hello, as many as a PeerOrganization may list.
pub const ADDRESSES_MAX: usize = 16;

/// Bytes of one multiaddress: a DNS name of 253 bytes, transport and peer id.
pub const ADDRESS_MAX_BYTES: usize = 512;

/// Nesting of CBOR: the deepest message (response → body → item → terms → list) has seven
/// levels; extensions get as many again.
pub const CBOR_DEPTH_MAX: usize = 16;

/// Data items in one payload. A full request (64 items with 64 pointers) has about 4,500, a
/// catalogue page that is full by number about 5,000 in practice (and holds fewer assets when they
/// have hundreds of units each); at 32 bytes of memory each the
/// bound is worth 2 MiB.
pub const CBOR_ITEMS_MAX: usize = 65_536;

/// Bytes kept free in a response frame for everything but its items: envelope, session, digests.
pub const RESPONSE_OVERHEAD_BYTES: usize = 1024;

/// Data items ([`CBOR_ITEMS_MAX`]) kept free in a response for everything but what it lists: there
/// are about twenty.
pub const RESPONSE_OVERHEAD_ITEMS: usize = 64;

/// How far two clocks may be apart, in seconds, before a message or certificate is refused.
pub const CLOCK_SKEW_S: u64 = 120;

/// Life of an issuing certificate in seconds: 366 days. The root is needed once a year.
pub const ISSUING_LIFE_MAX_S: u64 = 366 * DAY_S;

/// Life of a session certificate in seconds: 30 days and one of slack.
pub const SESSION_LIFE_MAX_S: u64 = 31 * DAY_S;

/// Life of a record certificate in seconds: 366 days.
pub const RECORD_LIFE_MAX_S: u64 = 366 * DAY_S;

/// Largest serial and incarnation: 2⁵³−1, the largest integer that YAML and JSON tools carry
/// unharmed, because `revokedSerials` is copied from one into the other.
pub const SERIAL_MAX: u64 = (1 << 53) - 1;

const DAY_S: u64 = 86_400;
