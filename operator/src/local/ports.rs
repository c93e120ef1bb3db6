//! The loopback ports of a node: chosen once, kept for restarts, chosen anew when taken.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

/// How often a choice is tried again because another node here has one of the ports.
const TRIES_MAX: usize = 64;

/// The ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// libp2p: peers.
    pub p2p: u16,
    /// The local API: the organization's own programs.
    pub api: u16,
    /// Metrics and probes.
    pub metrics: u16,
}

/// Ports could not be chosen.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// The machine gives none.
    #[error("no loopback port can be opened")]
    Open(#[source] std::io::Error),
    /// All that it gave belong to other nodes here.
    #[error("no free loopback port was found")]
    NoneFree,
}

impl Ports {
    /// Where the local API is.
    pub fn api_address(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.api))
    }

    /// Where metrics and probes are.
    pub fn metrics_address(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.metrics))
    }

    /// Where peers on this machine dial it.
    pub fn multiaddr(self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.p2p)
    }

    /// All three.
    pub fn all(self) -> [u16; 3] {
        [self.p2p, self.api, self.metrics]
    }

    /// Whether a node could listen on all three, if nobody else does.
    pub fn differ(self) -> bool {
        let [p2p, api, metrics] = self.all();
        !self.all().contains(&0) && p2p != api && api != metrics && metrics != p2p
    }

    /// Whether somebody else has one of them now.
    pub fn taken(self) -> bool {
        self.all()
            .iter()
            .any(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err())
    }

    /// Three free ports, none of them in `reserved`.
    ///
    /// # Errors
    /// [`PortsError`].
    pub fn choose(reserved: &BTreeSet<u16>) -> Result<Self, PortsError> {
        for _ in 0..TRIES_MAX {
            // Held together, so that the three differ.
            let open = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(PortsError::Open);
            let (p2p, api, metrics) = (open()?, open()?, open()?);
            let port = |l: &TcpListener| l.local_addr().map(|a| a.port()).map_err(PortsError::Open);
            let ports = Self {
                p2p: port(&p2p)?,
                api: port(&api)?,
                metrics: port(&metrics)?,
            };
            if ports.all().iter().all(|port| !reserved.contains(port)) {
                return Ok(ports);
            }
        }
        Err(PortsError::NoneFree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_ports_are_free_and_differ_and_a_listener_on_one_of_them_is_noticed() {
        let ports = Ports::choose(&BTreeSet::new()).unwrap();
        assert_eq!(ports.all().into_iter().collect::<BTreeSet<_>>().len(), 3);
        let listener = TcpListener::bind(ports.api_address()).unwrap();
        assert!(ports.taken());
        drop(listener);
    }

    #[test]
    fn kept_ports_that_are_zero_or_the_same_do_not_differ() {
        let of = |p2p, api, metrics| Ports { p2p, api, metrics };
        assert!(of(1, 2, 3).differ());
        for same in [of(1, 1, 3), of(1, 2, 1), of(1, 2, 2), of(0, 2, 3)] {
            assert!(!same.differ(), "{same:?}");
        }
    }

    #[test]
    fn ports_of_other_nodes_are_not_chosen() {
        let everything: BTreeSet<u16> = (0..=u16::MAX).collect();
        assert!(matches!(
            Ports::choose(&everything),
            Err(PortsError::NoneFree)
        ));
    }
}
