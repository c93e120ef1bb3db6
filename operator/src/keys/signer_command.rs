//! An issuing key that is elsewhere: a program that signs (an HSM, a KMS, Vault).
//!
//! The program gets the organization and the key's identifier as arguments and the bytes to be
//! signed on standard input; it answers with a 64-byte Ed25519 signature on standard output.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use finp2p_wire::key::Kid;

/// Longest that a signature may take: a call over the network and its own retries.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of its standard error that are told.
const SAID_MAX_BYTES: u64 = 400;

/// Why a program did not sign.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It does not start.
    #[error("the signer command {0} does not start: is it there, and executable?")]
    Start(PathBuf, #[source] std::io::Error),
    /// It does not end.
    #[error("the signer command {0} did not answer in ten seconds")]
    Timeout(PathBuf),
    /// It failed.
    #[error("the signer command {program} failed ({status}): {said}")]
    Failed {
        /// The program.
        program: PathBuf,
        /// Its exit status.
        status: String,
        /// The beginning of its standard error.
        said: String,
    },
    /// It answered with something else than 64 bytes.
    #[error("the signer command {0} did not answer with a signature of 64 bytes")]
    NoSignature(PathBuf),
}

/// A program that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerCommand {
    program: PathBuf,
}

impl SignerCommand {
    /// The program at this path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
        }
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Lets the program sign. Blocks for at most ten seconds.
    ///
    /// # Errors
    /// [`CommandError`].
    pub fn sign(
        &self,
        organization: &str,
        key: Kid,
        message: &[u8],
    ) -> Result<[u8; 64], CommandError> {
        let program = || self.program.clone();
        let mut child = Command::new(&self.program)
            .args([organization, &hex::encode(key.as_bytes())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| CommandError::Start(program(), error))?;
        let (answer, said) = self.talk(&mut child, message)?;
        let status = child
            .wait()
            .map_err(|error| CommandError::Start(program(), error))?;
        if !status.success() {
            return Err(CommandError::Failed {
                program: program(),
                status: status.to_string(),
                said: said.split_whitespace().collect::<Vec<_>>().join(" "),
            });
        }
        answer
            .try_into()
            .map_err(|_| CommandError::NoSignature(program()))
    }

    fn talk(&self, child: &mut Child, message: &[u8]) -> Result<(Vec<u8>, String), CommandError> {
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let message = message.to_vec();
        let (done, answered) = mpsc::channel();
        std::thread::spawn(move || {
            // A program that does not read what it signs ends with a signature that does not verify.
            let _unread = stdin.map(|mut stdin| stdin.write_all(&message));
            let mut answer = Vec::new();
            let _cut = stdout.map(|stdout| stdout.take(65).read_to_end(&mut answer));
            let mut said = Vec::new();
            let _cut = stderr.map(|stderr| stderr.take(SAID_MAX_BYTES).read_to_end(&mut said));
            let _gave_up = done.send((answer, String::from_utf8_lossy(&said).into_owned()));
        });
        answered.recv_timeout(TIMEOUT).map_err(|_| {
            let _ended = child.kill();
            let _reaped = child.wait();
            CommandError::Timeout(self.program.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, text: &str) -> SignerCommand {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.join("sign.sh");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        SignerCommand::new(path)
    }

    #[test]
    fn gives_the_bytes_and_takes_sixty_four() {
        let folder = tempfile::tempdir().unwrap();
        let kid = Kid::of(&[7; 32]);
        let echo = script(folder.path(), "head -c 64");
        assert_eq!(echo.sign("bank-a", kid, &[9; 64]).unwrap(), [9; 64]);
        let long = script(folder.path(), "cat");
        let error = long.sign("bank-a", kid, &[9; 65]).unwrap_err();
        assert!(matches!(error, CommandError::NoSignature(_)), "{error}");
    }

    #[test]
    fn says_why_a_program_failed() {
        let folder = tempfile::tempdir().unwrap();
        let fails = script(folder.path(), "echo token expired for $1 >&2; exit 3");
        let error = fails.sign("bank-a", Kid::of(&[7; 32]), b"x").unwrap_err();
        assert!(
            error.to_string().contains("token expired for bank-a"),
            "{error}"
        );
        let missing = SignerCommand::new(folder.path().join("nothing"));
        let error = missing.sign("bank-a", Kid::of(&[7; 32]), b"x").unwrap_err();
        assert!(matches!(error, CommandError::Start(..)), "{error}");
    }
}
