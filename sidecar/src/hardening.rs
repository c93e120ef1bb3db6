//! What the process forbids itself.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Core dumps could not be forbidden.
#[derive(Debug, thiserror::Error)]
#[error("core dumps cannot be forbidden: they could hold keys and private data")]
pub struct CoreDumpError(#[from] rustix::io::Errno);

/// No core dump of this process is ever written: it would hold keys and private data.
///
/// # Errors
/// [`CoreDumpError`]: the node must not start then.
pub fn no_core_dumps() -> Result<(), CoreDumpError> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}
