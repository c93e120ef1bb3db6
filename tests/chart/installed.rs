//! The chart as `helm install` leaves it on an API server, once for all tests of this program.

use std::process::Command;
use std::sync::OnceLock;

use finp2p_tests::control_plane::identity::Identity;
use finp2p_tests::control_plane::namespace::Namespace;
use finp2p_tests::control_plane::{ControlPlane, Settings};

use crate::helm::{RELEASE, helm};

/// A control plane without our kinds: the chart brings them.
pub fn bare() -> ControlPlane {
    ControlPlane::start(Settings {
        definitions: false,
        ..Settings::default()
    })
}

/// An installed release.
pub struct Installed {
    pub cluster: &'static ControlPlane,
    /// Where the operator is.
    pub system: Namespace<'static>,
    /// The namespaces that were listed. Tests of admission give rights away in the first two.
    pub banks: [Namespace<'static>; 3],
}

impl Installed {
    /// The operator's account.
    pub fn operator(&self) -> Identity {
        self.system.account("finp2p-operator")
    }

    /// The account of the node of a bank.
    pub fn node(&self, bank: usize) -> Identity {
        self.banks[bank].account("finp2p-node")
    }
}

pub fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let cluster: &'static ControlPlane = Box::leak(Box::new(bare()));
        let system = cluster.namespace("finp2p-system");
        let banks = [(); 3].map(|()| cluster.namespace("bank"));
        let names = banks.each_ref().map(|bank| bank.name.as_str());
        let list = format!("namespaces={{{}}}", names.join(","));
        let install = helm(&[
            "install",
            RELEASE,
            "charts/finp2p",
            "-n",
            &system.name,
            "--set",
            &list,
        ]);
        run(cluster.admin(), install).unwrap();
        Installed {
            cluster,
            system,
            banks,
        }
    })
}

/// A program as somebody.
pub fn run(identity: &Identity, command: Command) -> Result<String, String> {
    identity.run(command, "").ok()
}
