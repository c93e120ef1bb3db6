//! Banks on an API server of their own, as the chart's README installs them: names as printed there,
//! admission policies in force.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::{ControlPlane, Settings};

/// The three banks of first light, running. One test at a time has them; they end with this program.
pub fn guarded() -> MutexGuard<'static, Consortium<'static>> {
    static GUARDED: OnceLock<Mutex<Consortium<'static>>> = OnceLock::new();
    GUARDED
        .get_or_init(|| {
            let cluster: &'static ControlPlane =
                Box::leak(Box::new(ControlPlane::start(Settings::default())));
            let mut banks = Consortium::install_alone(cluster, &["bank-a", "bank-b", "bank-c"]);
            banks.start();
            Mutex::new(banks)
        })
        .lock()
        // A test that failed left the banks as they were, or the next one says what is missing.
        .unwrap_or_else(PoisonError::into_inner)
}
