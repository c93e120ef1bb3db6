//! The node of one organization: its folder, its ports, its process, and what it reports.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use finp2p_crds::SidecarConfig;
use finp2p_crds::sidecar_config::SidecarConfigStatus;
use serde::Serialize;

use super::apply::Configuration;
use super::home::{Home, Kept};
use super::ports::Ports;
use super::supervise::{Launch, Supervised};
use super::watch::{self, FileStamp};

/// How often a node that is not ready is asked whether it is, and one that is.
const ASK_EVERY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How often the directory of a node is looked at: mending it is not urgent, because a node keeps
/// what it has, and there may be thousands of files.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest that the answer may take: it is this machine, and nothing but memory is looked at.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a node may run without what is planned for it. What was withdrawn must end also when
/// the disk takes nothing, and a process that does not run serves nothing.
const BEHIND_FOR: Duration = Duration::from_secs(1);
/// How long a node that is stopped for that may take to end; then it is killed, which its store
/// and its audit log survive.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Why the directory of a node does not say what is planned for it.
#[derive(Clone, Debug)]
pub struct Behind {
    /// Since when.
    pub since: Duration,
    /// What failed.
    pub why: String,
    /// When its process was asked to end.
    stopped: Option<Duration>,
}

/// What was done about a process that must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was asked to end.
    Asked,
    /// It was killed.
    Killed,
}

/// The node of one organization.
#[derive(Debug)]
pub struct Node {
    /// The namespace of its local organization.
    pub namespace: String,
    /// Its folder.
    pub home: Home,
    /// Its ports.
    pub ports: Ports,
    /// Its process.
    pub process: Supervised,
    /// Its configuration directory.
    pub configuration: Configuration,
    /// What it reported last, since it was started.
    pub report: Option<SidecarConfigStatus>,
    /// What is kept of it.
    pub kept: Option<Kept>,
    /// Whether it should run.
    pub on: bool,
    /// Since when it should have ended.
    pub off_since: Option<Duration>,
    /// Whether its directory says what is planned. Its process starts only then.
    in_place: bool,
    behind: Option<Behind>,
    /// When its directory is looked at again.
    next_look: Duration,
    report_stamp: Option<FileStamp>,
    readiness: Readiness,
}

#[derive(Debug, Default)]
struct Readiness {
    /// Anew for each process, so that the answer of a former one is nobody's.
    answer: Arc<AtomicBool>,
    asking: Arc<AtomicBool>,
    next: Duration,
}

/// One node in `endpoints.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// `ADDR:PORT` of the local API.
    pub api: String,
    /// `ADDR:PORT` of metrics and probes.
    pub metrics: String,
    /// Multiaddr for peers on this machine.
    pub p2p: String,
    /// Folder with one bearer token per client.
    pub tokens: PathBuf,
    /// What the sidecar says.
    pub log: PathBuf,
    /// Process id of the sidecar; absent while it is not running.
    pub process: Option<u32>,
    /// Whether it serves with the configuration that is planned.
    pub ready: bool,
}

impl Node {
    /// A node that is switched off.
    pub fn new(namespace: &str, home: Home, ports: Ports, kept: Option<Kept>) -> Self {
        Self {
            namespace: namespace.to_owned(),
            configuration: Configuration::new(&home),
            home,
            ports,
            process: Supervised::default(),
            report: None,
            kept,
            on: false,
            off_since: None,
            in_place: false,
            behind: None,
            next_look: Duration::ZERO,
            report_stamp: None,
            readiness: Readiness::default(),
        }
    }

    /// How its sidecar is started.
    pub fn launch(&self, sidecar: &Path) -> Launch {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |flag: &str, value: OsString| arguments.extend([flag.into(), value]);
        add("--config", self.configuration.folder().into());
        add("--state", self.home.node().into());
        add("--store-key", self.home.store_key().into());
        add("--listen", self.ports.multiaddr().into());
        add("--api", self.ports.api_address().to_string().into());
        add("--api-tokens", self.home.tokens().into());
        add("--metrics", self.ports.metrics_address().to_string().into());
        add("--report", self.home.report().into());
        arguments.push("--until-stdin-closes".into());
        Launch {
            program: sidecar.to_owned(),
            arguments,
            log: self.home.log(),
        }
    }

    /// Lets it run for a namespace. Its process starts once its directory says what is planned.
    pub fn switch_on(&mut self, namespace: &str) {
        namespace.clone_into(&mut self.namespace);
        self.on = true;
        self.off_since = None;
        self.in_place = false;
        self.behind = None;
    }

    /// Its directory says what is planned. Returns whether it had not.
    pub fn placed(&mut self) -> bool {
        self.in_place = true;
        self.behind.take().is_some()
    }

    /// What is planned could not be written. Returns whether that is new.
    pub fn not_placed(&mut self, why: &str, now: Duration) -> bool {
        self.in_place = false;
        let is_new = self.behind.is_none();
        self.behind.get_or_insert_with(|| Behind {
            since: now,
            why: why.to_owned(),
            stopped: None,
        });
        is_new
    }

    /// Why its directory does not say what is planned, when it could not be written.
    pub fn behind(&self) -> Option<&Behind> {
        self.behind.as_ref()
    }

    /// Whether its process should be started now.
    pub fn is_due(&self, now: Duration) -> bool {
        self.on && self.in_place && self.kept.is_some() && self.process.is_due(now)
    }

    /// Whether its process was asked to end because of what could not be written.
    pub fn is_stopped(&self) -> bool {
        (self.behind.as_ref()).is_some_and(|behind| behind.stopped.is_some())
    }

    /// Ends a process that runs without what is planned for it, after a moment.
    pub fn stop_if_behind(&mut self, now: Duration) -> Option<Stop> {
        let behind = self.behind.as_mut().filter(|_| self.on)?;
        if !self.process.is_running() {
            return None;
        }
        match behind.stopped {
            None if now.saturating_sub(behind.since) >= BEHIND_FOR => {
                behind.stopped = Some(now);
                self.process.terminate();
                Some(Stop::Asked)
            }
            Some(asked) if now.saturating_sub(asked) >= STOP_GRACE => {
                self.process.kill();
                Some(Stop::Killed)
            }
            _ => None,
        }
    }

    /// Looks now and then whether somebody else wrote into its directory. Returns whether it must
    /// be written.
    pub fn look_at_configuration(&mut self, now: Duration) -> bool {
        if !self.on || now < self.next_look {
            return false;
        }
        self.next_look = now + LOOK_EVERY;
        self.configuration.notice()
    }

    /// Forgets what a former process said.
    pub fn forget_process(&mut self) {
        // It may never have written one.
        let _gone = std::fs::remove_file(self.home.report());
        self.report = None;
        self.report_stamp = None;
        self.readiness = Readiness::default();
    }

    /// Reads the report if it was replaced. Returns whether it says something else.
    pub fn look_at_report(&mut self) -> bool {
        let stamp = watch::stamp(&self.home.report());
        if stamp.is_none() || stamp == self.report_stamp || !self.process.is_running() {
            return false;
        }
        let Some(report) = self.home.read_report() else {
            return false;
        };
        self.report_stamp = stamp;
        let says_more = self.report.as_ref() != Some(&report);
        self.report = Some(report);
        says_more
    }

    /// Asks the node whether it serves, now and then, without waiting for the answer.
    pub fn ask(&mut self, now: Duration) {
        let readiness = &mut self.readiness;
        if !self.process.is_running() || now < readiness.next {
            return;
        }
        if readiness.asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let answered = readiness.answer.load(Ordering::Acquire);
        readiness.next = now + if answered { ASK_EVERY.1 } else { ASK_EVERY.0 };
        let (answer, asking) = (Arc::clone(&readiness.answer), Arc::clone(&readiness.asking));
        let url = format!("http://{}/readyz", self.ports.metrics_address());
        tokio::task::spawn_blocking(move || {
            let agent = ureq::Agent::config_builder()
                .timeout_global(Some(ASK_TIMEOUT))
                .proxy(None)
                .max_redirects(0)
                .build()
                .new_agent();
            answer.store(agent.get(&url).call().is_ok(), Ordering::Release);
            asking.store(false, Ordering::Release);
        });
    }

    /// Where it is, and whether it serves with these slices.
    pub fn endpoint(&self, slices: &[SidecarConfig]) -> Endpoint {
        Endpoint {
            api: self.ports.api_address().to_string(),
            metrics: self.ports.metrics_address().to_string(),
            p2p: self.ports.multiaddr(),
            tokens: self.home.tokens(),
            log: self.home.log(),
            process: self.process.id(),
            ready: self.process.is_running()
                && self.readiness.answer.load(Ordering::Acquire)
                && self.report.as_ref().is_some_and(|r| applied(r, slices)),
        }
    }
}

/// Whether a node has applied all slices as they are.
fn applied(report: &SidecarConfigStatus, slices: &[SidecarConfig]) -> bool {
    let rows = report.applied.iter();
    let rows: BTreeMap<&str, i64> = rows.map(|r| (r.slice.as_str(), r.generation)).collect();
    slices.iter().all(|slice| {
        let name = slice.metadata.name.as_deref().unwrap_or_default();
        rows.get(name).copied() >= slice.metadata.generation
    })
}
