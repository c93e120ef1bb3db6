//! Where a node can listen for its peers.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// What every address looks like that can be listened on.
const FORM: &str = "write /ip4/0.0.0.0/tcp/4001, or /ip6 with an address of this machine";

/// An address that a node cannot listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// It is no multiaddr at all.
    #[error("not a multiaddr: {FORM}")]
    NotAMultiaddr,
    /// It begins with a name.
    #[error(
        "a node listens on an address of its machine, not on a name: {FORM}; peers are told the \
         name by their records of this organization"
    )]
    Name,
    /// It begins with something else than an IP address.
    #[error("no IP address: {FORM}")]
    NoAddress,
    /// Datagrams, and what runs over them.
    #[error("peers speak TCP only, neither UDP nor QUIC: {FORM}")]
    NotTcp,
    /// Only the IP address is there.
    #[error("no port: {FORM}")]
    NoPort,
    /// Something follows the port.
    #[error("nothing can follow the port: {FORM}")]
    Surplus,
}

/// Reads an address to listen on: `/ip4` or `/ip6`, and `/tcp` with its port (0: a free one).
///
/// Whatever else libp2p knows as an address is refused here, where a person sees it: the network
/// starts only once the node is certified, and its own refusal of an address says little.
///
/// # Errors
/// [`ListenError`], with what to write instead.
pub fn listen_address(text: &str) -> Result<Multiaddr, ListenError> {
    let address: Multiaddr = text.parse().map_err(|_| ListenError::NotAMultiaddr)?;
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => {}
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_) | Protocol::Dnsaddr(_)) => {
            return Err(ListenError::Name);
        }
        _ => return Err(ListenError::NoAddress),
    }
    match parts.next() {
        Some(Protocol::Tcp(_)) => {}
        None => return Err(ListenError::NoPort),
        Some(_) => return Err(ListenError::NotTcp),
    }
    match parts.next() {
        None => Ok(address),
        Some(_) => Err(ListenError::Surplus),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listens_on_tcp_ports_of_ip_addresses() {
        for text in [
            "/ip4/0.0.0.0/tcp/4001",
            "/ip4/127.0.0.1/tcp/0",
            "/ip6/::/tcp/4001",
        ] {
            assert_eq!(listen_address(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_other_address_is_refused_with_what_to_write() {
        for (text, why) in [
            ("4001", ListenError::NotAMultiaddr),
            ("0.0.0.0:4001", ListenError::NotAMultiaddr),
            ("/ip4/0.0.0.0/tcp", ListenError::NotAMultiaddr),
            ("/ip4/0.0.0.0/tcp/70000", ListenError::NotAMultiaddr),
            ("", ListenError::NoAddress),
            ("/tcp/4001", ListenError::NoAddress),
            ("/dns4/bank-a.example/tcp/4001", ListenError::Name),
            ("/ip4/0.0.0.0", ListenError::NoPort),
            ("/ip4/0.0.0.0/udp/4001", ListenError::NotTcp),
            ("/ip4/0.0.0.0/udp/4001/quic-v1", ListenError::NotTcp),
            ("/ip4/0.0.0.0/tcp/4001/ws", ListenError::Surplus),
        ] {
            assert_eq!(listen_address(text), Err(why), "{text}");
            assert!(why.to_string().contains("/ip4/0.0.0.0/tcp/4001"), "{why}");
        }
    }
}
