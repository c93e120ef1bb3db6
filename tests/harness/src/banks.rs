//! The first-light scenario, running: three banks out of the samples, set up as a user would.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::binaries::{Binaries, binaries, root};
use crate::http::Api;
use crate::process::Process;
use crate::wait;

/// The network of the samples.
pub const NETWORK: &str = "sandbox-finp2p";
/// The members of the scenario.
pub const ORGANIZATIONS: [&str; 3] = ["bank-a", "bank-b", "bank-c"];
/// Longest that three nodes may take to come up on a busy machine.
const START: Duration = Duration::from_secs(120);

/// A folder with the manifests of three banks, and perhaps their nodes.
#[derive(Debug)]
pub struct Banks {
    scenario: PathBuf,
    folder: PathBuf,
    process: Option<Process>,
}

impl Banks {
    /// Copies the samples to `folder`, makes keys for each bank and exchanges the public records.
    pub fn prepare(folder: &Path) -> Result<Self, String> {
        let banks = Self::from(&Self::samples(), folder)?;
        for organization in ORGANIZATIONS {
            banks.keygen(organization)?;
        }
        Ok(banks)
    }

    /// The manifests of the scenario.
    pub fn samples() -> PathBuf {
        root().join("crds/samples/first-light")
    }

    /// Copies the manifests of `scenario` to `folder`.
    pub fn from(scenario: &Path, folder: &Path) -> Result<Self, String> {
        copy(scenario, folder)?;
        for name in ["members", ".keys"] {
            fs::create_dir_all(folder.join(name)).map_err(|e| e.to_string())?;
        }
        Ok(Self {
            scenario: scenario.to_owned(),
            folder: folder.to_owned(),
            process: None,
        })
    }

    /// Puts the manifests back as they were in the scenario.
    pub fn restore(&self) -> Result<(), String> {
        copy(&self.scenario, &self.folder)
    }

    /// Makes the keys of a bank: the issuing key goes to its folder, the public record to the
    /// members, the root key stays apart.
    pub fn keygen(&self, organization: &str) -> Result<(), String> {
        let keys = self.folder.join(".keys");
        let made = Command::new(&Self::binaries().operator)
            .args(["keygen", organization, "--network", NETWORK, "--out"])
            .arg(&keys)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| e.to_string())?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into_owned());
        }
        let moves = [
            (
                format!("{organization}-issuer.yaml"),
                format!("{organization}/issuer.yaml"),
            ),
            (
                format!("{organization}.yaml"),
                format!("members/{organization}.yaml"),
            ),
        ];
        for (from, to) in moves {
            fs::rename(keys.join(from), self.folder.join(to)).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Starts `finp2p-operator local` and waits until every node serves.
    pub fn start(&mut self) -> Result<(), String> {
        let binaries = Self::binaries();
        let mut command = Command::new(&binaries.operator);
        command
            .arg("local")
            .arg(&self.folder)
            .arg("--sidecar")
            .arg(&binaries.sidecar);
        let log = self.folder.join("local.log");
        self.process = Some(Process::start(&mut command, &log).map_err(|e| e.to_string())?);
        wait::try_until(START, || self.ready())
    }

    fn ready(&mut self) -> Result<(), String> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.ended()
        {
            return Err(format!(
                "local mode ended with {status}: {}",
                process.printed()
            ));
        }
        for organization in ORGANIZATIONS {
            let endpoint = self.endpoint(organization)?;
            if endpoint["ready"] != true {
                return Err(format!("{organization} is not ready"));
            }
        }
        Ok(())
    }

    /// What local mode says of one node.
    pub fn endpoint(&self, organization: &str) -> Result<Value, String> {
        let text = fs::read_to_string(self.state().join("endpoints.json"))
            .map_err(|e| format!("endpoints.json: {e}"))?;
        let endpoints: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        match endpoints.get(organization) {
            Some(endpoint) => Ok(endpoint.clone()),
            None => Err(format!("{organization} is not in endpoints.json yet")),
        }
    }

    /// The status of all objects, as local mode printed it last.
    pub fn status(&self) -> Result<String, String> {
        fs::read_to_string(self.state().join("status.txt")).map_err(|e| format!("status.txt: {e}"))
    }

    /// The local API of a bank, as one of its clients.
    pub fn api(&self, organization: &str, client: &str) -> Result<Api, String> {
        let endpoint = self.endpoint(organization)?;
        let address = endpoint["api"].as_str().ok_or("no api address")?;
        let token = fs::read_to_string(self.state().join(organization).join("tokens").join(client))
            .map_err(|e| format!("token of {client}: {e}"))?;
        Ok(Api {
            base: format!("http://{address}"),
            token: token.trim().to_owned(),
        })
    }

    /// Changes a manifest with a text editor's care: whole or not at all.
    pub fn edit(&self, path: &str, change: impl FnOnce(String) -> String) -> Result<(), String> {
        let path = self.folder.join(path);
        let before = fs::read_to_string(&path).map_err(|e| e.to_string())?;
        let after = change(before.clone());
        if after == before {
            return Err(format!("the edit changed nothing in {}", path.display()));
        }
        let beside = path.with_extension("yaml.new");
        fs::write(&beside, after).map_err(|e| e.to_string())?;
        fs::rename(&beside, &path).map_err(|e| e.to_string())
    }

    /// Ends the nodes in good order.
    pub fn stop(&mut self) -> Result<(), String> {
        match self.process.take() {
            Some(mut process) => {
                let status = process.stop()?;
                if status.success() {
                    Ok(())
                } else {
                    Err(format!(
                        "local mode ended with {status}: {}",
                        process.printed()
                    ))
                }
            }
            None => Ok(()),
        }
    }

    /// Kills the node of a bank, as a crash would.
    pub fn kill(&self, organization: &str) -> Result<(), String> {
        let id = self.endpoint(organization)?["process"]
            .as_u64()
            .ok_or("its node does not run")?;
        crate::process::signal(u32::try_from(id).map_err(|e| e.to_string())?, "KILL");
        Ok(())
    }

    /// Leaves the nodes running when this process ends; returns the process id of local mode.
    pub fn leave(mut self) -> Option<u32> {
        let process = self.process.take()?;
        let id = process.id();
        std::mem::forget(process);
        Some(id)
    }

    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn state(&self) -> PathBuf {
        self.folder.join(".finp2p")
    }

    fn binaries() -> &'static Binaries {
        binaries()
    }
}

/// Copies a folder of manifests.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|e| format!("{}: {e}", to.display()))?;
    for entry in fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))? {
        let entry = entry.map_err(|e| e.to_string())?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}
