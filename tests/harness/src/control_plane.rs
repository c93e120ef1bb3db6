//! A real Kubernetes API server for tests: etcd, kube-apiserver and, where deletion or workloads
//! matter, kube-controller-manager, as processes on loopback.
//!
//! ```text
//! use finp2p_tests::control_plane::ControlPlane;
//!
//! let cluster = ControlPlane::shared(); // one for all tests of a program, with our CRDs
//! let bank = cluster.namespace("bank"); // of this test alone
//! let answer = cluster.admin().kubectl(&["get", "sharedassets", "-n", &bank.name]);
//! assert!(answer.success, "{}", answer.stderr);
//! ```
//!
//! Nothing outlives the test program, however it ends: the kernel kills the processes, and the folder
//! goes with them. A test that stops, restores or floods an API server starts its own with
//! [`ControlPlane::start`]. All methods block; call none from async code.
//!
//! Modules in reading order: [`parts`] (the programs, built from source), [`certificates`], [`crate::ports`],
//! `programs` (their command lines), [`identity`] (requests and kubectl as somebody), [`namespace`] (one
//! per test, service accounts, what is kept of a failure), [`api_audit_log`] (who asked for what),
//! [`interceptor`] (an API server that answers late, never, or no),
//! [`backup`] (etcd as it was), [`kstatus`] (what Flux thinks of an object), [`resource`] (where the API server keeps what).

pub mod api_audit_log;
pub mod backup;
pub mod certificates;
mod failure;
mod folder;
pub mod identity;
pub mod interceptor;
pub mod kstatus;
pub mod namespace;
pub mod parts;
mod programs;
pub mod resource;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::ports;
use crate::process::{Process, signal};
use crate::wait;
use api_audit_log::ApiAuditLog;
use certificates::{Certificates, Pair};
use folder::Folder;
use identity::{Identity, kubeconfig};
use namespace::Namespace;
use parts::parts;
use programs::Ports;

/// Longest that a part may take to come up on a busy machine; three seconds on an idle one.
const START: Duration = Duration::from_secs(90);
/// Longest that a new CRD may take to be served.
const DEFINITION: Duration = Duration::from_secs(30);
/// Attempts with other ports: somebody may have taken one between the look and the start.
const ATTEMPTS: usize = 3;
/// Lines of a log in a message.
const TAIL_LINES: usize = 20;

/// What a control plane has.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our CRDs are installed.
    pub definitions: bool,
    /// kube-controller-manager runs: garbage collection, end of namespaces, StatefulSets. It learns of
    /// a CRD that comes later only after 30 s.
    pub controllers: bool,
    /// More flags for kube-apiserver.
    pub api_server: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            definitions: true,
            controllers: true,
            api_server: Vec::new(),
        }
    }
}

/// A running control plane.
pub struct ControlPlane {
    // Behind locks: who runs on a control plane borrows it, also while a part of it is away.
    controllers: Mutex<Option<Process>>,
    api_server: Mutex<Option<Process>>,
    etcd: Mutex<Option<Process>>,
    settings: Settings,
    ports: Ports,
    certificates: Certificates,
    admin: Identity,
    /// From the first process to the last answer.
    pub started_in: Duration,
    backups: AtomicUsize,
    folder: Folder,
}

impl ControlPlane {
    /// The one that all tests of this program share, with our CRDs and controllers. Tests keep to
    /// namespaces of their own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Settings::default()))
    }

    /// A new one.
    ///
    /// # Panics
    /// When it does not come up, with the end of the log of what did not.
    pub fn start(settings: Settings) -> Self {
        for _ in 1..ATTEMPTS {
            match Self::try_start(settings.clone()) {
                Err(why) if why.contains("address already in use") => {}
                other => return other.unwrap_or_else(|why| panic!("{why}")),
            }
        }
        Self::try_start(settings).unwrap_or_else(|why| panic!("{why}"))
    }

    fn try_start(settings: Settings) -> Result<Self, String> {
        let parts = parts(); // builds, perhaps for minutes: not part of the time to start
        let begin = Instant::now();
        let folder = Folder::make().map_err(|e| e.to_string())?;
        for name in ["logs", "kubeconfigs"] {
            fs::create_dir(folder.path().join(name)).map_err(|e| e.to_string())?;
        }
        let [etcd, etcd_peer, api_server] = ports::free()?;
        let ports = Ports {
            etcd,
            etcd_peer,
            api_server,
        };
        let certificates = Certificates::make(&folder.path().join("pki"))?;
        let server = format!("https://127.0.0.1:{api_server}");
        let certified = |name: &str, pair: &Pair| {
            let path = folder.path().join("kubeconfigs").join(name);
            let user = json!({"client-certificate": pair.certificate, "client-key": pair.key});
            kubeconfig(&path, &server, &certificates.authority, "default", &user).map(|()| path)
        };
        let admin = certified("admin", &certificates.admin)?;
        certified("controllers", &certificates.controllers)?;
        let mut this = Self {
            controllers: Mutex::default(),
            api_server: Mutex::default(),
            etcd: Mutex::default(),
            admin: Identity::open("admin", &admin, folder.path())?,
            settings,
            ports,
            certificates,
            started_in: Duration::ZERO,
            backups: AtomicUsize::new(0),
            folder,
        };
        this.start_process(Part::Etcd, parts)?;
        this.start_process(Part::ApiServer, parts)?;
        this.until_ready()?;
        if this.settings.definitions {
            this.install_definitions()?;
        }
        this.start_process(Part::Controllers, parts)?;
        this.started_in = begin.elapsed();
        Ok(this)
    }

    /// The administrator, who may do everything.
    pub fn admin(&self) -> &Identity {
        &self.admin
    }

    /// A new namespace for one test. Its name begins with `label` and is nobody else's.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn namespace(&self, label: &str) -> Namespace<'_> {
        Namespace::make(self, label)
    }

    /// A new namespace of exactly this name, for a control plane that nobody else uses.
    ///
    /// # Panics
    /// When it cannot be made: it is there already, for instance.
    pub fn namespace_called(&self, name: &str) -> Namespace<'_> {
        Namespace::called(self, name)
    }

    /// What was asked of the API server, by whom.
    pub fn api_audit_log(&self) -> ApiAuditLog<'_> {
        ApiAuditLog::of(self)
    }

    /// Temporary; goes with this value. Logs are in `logs`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Address of the API server.
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api_server)
    }

    /// Memory in MiB of etcd, the API server and the controllers.
    pub fn resident_mib(&self) -> Result<[u64; 3], String> {
        let of = |process: &Mutex<Option<Process>>| {
            let process = process.lock().expect("nobody panics with it");
            process.as_ref().map_or(Ok(0), Process::resident_mib)
        };
        Ok([
            of(&self.etcd)?,
            of(&self.api_server)?,
            of(&self.controllers)?,
        ])
    }

    /// The API server is gone at once, as with a crash; etcd stays.
    pub fn kill_api_server(&self) {
        end(&self.api_server);
    }

    /// The API server ends in good order: watches are closed, requests answered.
    pub fn stop_api_server(&self) -> Result<(), String> {
        let taken = self.process(Part::ApiServer).lock();
        match taken.expect("nobody panics with it").take() {
            Some(mut process) => process.stop().map(|_| ()),
            None => Ok(()),
        }
    }

    /// Starts it again, at the same address, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start_api_server(&self) {
        self.start_process(Part::ApiServer, parts())
            .and_then(|()| self.until_ready())
            .unwrap_or_else(|why| panic!("{why}"));
    }

    /// The API server takes connections and answers nothing until [`Self::resume_api_server`].
    pub fn pause_api_server(&self) {
        self.signal_api_server("STOP");
    }

    pub fn resume_api_server(&self) {
        self.signal_api_server("CONT");
    }

    fn signal_api_server(&self, name: &str) {
        let process = self.api_server.lock().expect("nobody panics with it");
        signal(process.as_ref().expect("the API server runs").id(), name);
    }

    fn start_process(&self, part: Part, parts: &parts::Parts) -> Result<(), String> {
        let folder = self.folder.path().to_owned();
        let command = match part {
            Part::Etcd => programs::etcd(parts, &self.data(), self.ports),
            Part::ApiServer => programs::api_server(
                parts,
                &folder,
                self.ports,
                &self.certificates,
                &self.settings.api_server,
            )?,
            Part::Controllers if !self.settings.controllers => return Ok(()),
            Part::Controllers => {
                programs::controllers(&folder.join("kubeconfigs/controllers"), &self.certificates)
            }
        };
        let log = folder.join("logs").join(part.log());
        let process = Process::start_bound(&command, &log).map_err(|e| e.to_string())?;
        *self.process(part).lock().expect("nobody panics with it") = Some(process);
        Ok(())
    }

    fn process(&self, part: Part) -> &Mutex<Option<Process>> {
        match part {
            Part::Etcd => &self.etcd,
            Part::ApiServer => &self.api_server,
            Part::Controllers => &self.controllers,
        }
    }

    /// etcd's data.
    fn data(&self) -> PathBuf {
        self.folder.path().join("etcd")
    }

    fn until_ready(&self) -> Result<(), String> {
        let admin = self.admin.clone();
        let mut ended = None;
        let ready = wait::try_ask_until(START, || {
            for part in [Part::Etcd, Part::ApiServer] {
                let mut process = self.process(part).lock().expect("nobody panics with it");
                if let Some(process) = process.as_mut()
                    && let Some(status) = process.ended()
                {
                    ended = Some(format!("{} ended with {status}", part.log()));
                    return Ok(());
                }
            }
            admin.ask("GET", "/readyz", None)?;
            Ok(())
        });
        match ended.map_or(ready, Err) {
            Ok(()) => Ok(()),
            Err(why) => Err(format!(
                "the API server does not come up: {why}\n{}\n{}",
                self.tail(Part::Etcd),
                self.tail(Part::ApiServer)
            )),
        }
    }

    fn tail(&self, part: Part) -> String {
        let printed = self
            .process(part)
            .lock()
            .expect("nobody panics with it")
            .as_ref()
            .map(Process::printed)
            .unwrap_or_default();
        let lines: Vec<&str> = printed.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        format!("{} ends with:\n{tail}", part.log())
    }

    /// Installs our CRDs and waits until each is served.
    fn install_definitions(&self) -> Result<(), String> {
        let all = finp2p_crds::definition::all().map_err(|e| e.to_string())?;
        for definition in &all {
            self.admin
                .create("customresourcedefinitions", "", &definition.crd)?;
        }
        for definition in &all {
            let plural = definition.crd["spec"]["names"]["plural"]
                .as_str()
                .ok_or("a CRD without a plural")?;
            wait::try_ask_until(DEFINITION, || {
                Ok(self.admin.list(plural, "default").map(drop)?)
            })?;
        }
        Ok(())
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Their data goes too: nothing to end in good order.
        for process in [&self.controllers, &self.api_server, &self.etcd] {
            end(process);
        }
    }
}

fn end(process: &Mutex<Option<Process>>) {
    // A test that failed meanwhile is no reason to leave it running.
    let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mut process) = process.take() {
        process.kill();
    }
}

#[derive(Clone, Copy)]
enum Part {
    Etcd,
    ApiServer,
    Controllers,
}

impl Part {
    fn log(self) -> &'static str {
        match self {
            Self::Etcd => "etcd.log",
            Self::ApiServer => "kube-apiserver.log",
            Self::Controllers => "kube-controller-manager.log",
        }
    }
}

/// Drives the requests of all control planes; installs the one TLS provider first.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _installed_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2) // requests of tests, on the two cores that the suites are made for
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// Whether a condition of an object has a status, and about this generation: `Ready`, `True`.
/// The error says what it has.
pub fn condition(object: &Value, kind: &str, status: &str) -> Result<Value, String> {
    let generation = &object["metadata"]["generation"];
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == kind);
    match found {
        None => Err(format!("no condition {kind}")),
        Some(found) if &found["observedGeneration"] != generation => Err(format!(
            "{kind} is about generation {}, not {generation}",
            found["observedGeneration"]
        )),
        Some(found) if found["status"] != status => Err(format!(
            "{kind} is {} ({}): {}",
            found["status"], found["reason"], found["message"]
        )),
        Some(found) => Ok(found.clone()),
    }
}
