//! What this node is: the keys it speaks with and the certificates that say for whom.

use std::fmt;

use finp2p_wire::key::SigningKey;
use libp2p::identity::Keypair;

/// The keys and certificates a node speaks with. Replaced as a whole when a certificate is
/// renewed or a key rotates.
pub struct Identity {
    /// The local organization.
    pub organization: String,
    /// Consortium and environment; part of every signature.
    pub network: String,
    /// The node's incarnation, as certified.
    pub incarnation: u64,
    /// Certificate envelopes to say hello with: at most four, among them the issuing key's and
    /// the session key's.
    pub certificates: Vec<Vec<u8>>,
    /// Signs hellos, requests and responses.
    pub session: SigningKey,
    /// The libp2p key, whose peer id the session certificate lists.
    pub peer: Keypair,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("organization", &self.organization)
            .field("network", &self.network)
            .field("incarnation", &self.incarnation)
            .field("certificates", &self.certificates.len())
            .field("session", &self.session)
            .field("peer", &self.peer.public().to_peer_id())
            .finish()
    }
}
