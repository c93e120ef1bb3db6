//! The nodes that run here: switched on and off by plans, kept running, listened to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use finp2p_crds::SidecarConfig;

use super::home::Kept;
use super::node::{Endpoint, Node, Stop};
use super::ports::{Ports, PortsError};
use super::state::State;
use super::supervise::Event;
use crate::keys::file::FileError;
use crate::node::Previous;
use crate::node::plan::Memory;

/// Longest that a node that was switched off may take to end; its own grace is ten seconds.
const OFF_GRACE: Duration = Duration::from_secs(15);

/// Why a node could not be switched on. It is tried again.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Its folder could not be made or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There are no ports for it.
    #[error(transparent)]
    Ports(#[from] PortsError),
}

/// What a step brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Something to tell about an organization.
    Told(String, String),
    /// A node says something else, or nothing any more, or its directory was written by somebody
    /// else: its namespace is to be planned.
    Reported(String),
    /// A node has other ports: everybody who dials it is to be planned.
    Moved,
}

/// All nodes.
#[derive(Debug)]
pub struct Fleet {
    sidecar: PathBuf,
    nodes: BTreeMap<String, Node>,
    kept: BTreeMap<String, Kept>,
}

impl Fleet {
    /// No node runs yet; `kept` is what an earlier run left, by organization.
    pub fn new(sidecar: PathBuf, kept: Vec<(String, Kept)>) -> Self {
        Self {
            sidecar,
            nodes: BTreeMap::new(),
            kept: kept.into_iter().collect(),
        }
    }

    /// The organization whose node runs for a namespace.
    pub fn organization_in(&self, namespace: &str) -> Option<&str> {
        let mut on = self.nodes.iter().filter(|(_, node)| node.on);
        on.find(|(_, node)| node.namespace == namespace)
            .map(|(organization, _)| organization.as_str())
    }

    /// Whether the node of a namespace should run and has not reported yet.
    pub fn awaits_report(&self, namespace: &str) -> bool {
        let mut on = self.nodes.values().filter(|node| node.on);
        on.any(|node| node.namespace == namespace && node.report.is_none())
    }

    /// Why the node of a namespace has not what is planned for it, when it could not be written.
    pub fn behind(&self, namespace: &str) -> Option<&str> {
        let mut on = self.nodes.values().filter(|node| node.on);
        let node = on.find(|node| node.namespace == namespace)?;
        node.behind().map(|behind| behind.why.as_str())
    }

    /// The node of an organization, if it ever ran since this process began.
    pub fn node(&mut self, organization: &str) -> Option<&mut Node> {
        self.nodes.get_mut(organization)
    }

    /// Where the nodes that run are dialled on this machine.
    pub fn loopback(&self) -> BTreeMap<String, Vec<String>> {
        let on = self.nodes.iter().filter(|(_, node)| node.on);
        on.map(|(organization, node)| (organization.clone(), vec![node.ports.multiaddr()]))
            .collect()
    }

    /// Lets the node of an organization run for a namespace. Its process starts once it has a
    /// configuration.
    ///
    /// # Errors
    /// [`FleetError`].
    pub fn switch_on(
        &mut self,
        state: &State,
        organization: &str,
        namespace: &str,
    ) -> Result<(), FleetError> {
        if !self.nodes.contains_key(organization) {
            let home = state.home(organization)?;
            let reserved = self.reserved(organization);
            let free = |ports: &Ports| ports.all().iter().all(|p| !reserved.contains(p));
            // Kept in a file that people can edit.
            let usable = |ports: &Ports| ports.differ() && free(ports);
            let ports = match home.ports().filter(usable) {
                Some(ports) => ports,
                None => Ports::choose(&reserved)?,
            };
            home.keep_ports(ports)?;
            let kept = self.kept.get(organization).cloned();
            let node = Node::new(namespace, home, ports, kept);
            self.nodes.insert(organization.to_owned(), node);
        }
        if let Some(node) = self.nodes.get_mut(organization) {
            node.switch_on(namespace);
        }
        Ok(())
    }

    /// Ends the node of a namespace in good order. Returns whether there was one.
    pub fn switch_off(&mut self, namespace: &str, now: Duration) -> bool {
        let mut any = false;
        for node in self.nodes.values_mut() {
            if node.on && node.namespace == namespace {
                node.on = false;
                node.off_since = Some(now);
                node.process.terminate();
                node.configuration.switch_off();
                any = true;
            }
        }
        any
    }

    /// What the last plan of an organization configured, as an earlier run left it.
    pub fn previous(&self, organization: &str) -> Option<Previous> {
        let node = self.nodes.get(organization)?;
        let root = node.kept.as_ref()?.root.clone();
        Some(Previous {
            slices: node.configuration.slices(&root),
            root,
            memory: Memory::default(),
        })
    }

    fn reserved(&self, except: &str) -> BTreeSet<u16> {
        let others = self.nodes.iter().filter(|(name, _)| *name != except);
        others.flat_map(|(_, node)| node.ports.all()).collect()
    }

    /// Looks at every process and every report.
    pub fn step(&mut self, now: Duration) -> Vec<Happening> {
        let mut happened = Vec::new();
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        for name in names {
            let reserved = self.reserved(&name);
            if let Some(node) = self.nodes.get_mut(&name) {
                step(&name, node, &self.sidecar, &reserved, now, &mut happened);
            }
        }
        happened
    }

    /// `endpoints.json`: every node that is switched on. `slices` are those planned for it.
    pub fn endpoints<'s>(
        &self,
        slices: impl Fn(&str) -> &'s [SidecarConfig],
    ) -> BTreeMap<&str, Endpoint> {
        let on = self.nodes.iter().filter(|(_, node)| node.on);
        on.map(|(name, node)| (name.as_str(), node.endpoint(slices(&node.namespace))))
            .collect()
    }

    /// Asks every process to end in good order.
    pub fn terminate(&mut self) {
        for node in self.nodes.values_mut() {
            node.on = false;
            node.process.terminate();
        }
    }

    /// Whether every process that was asked has ended.
    pub fn has_ended(&mut self) -> bool {
        self.nodes.values_mut().all(|node| node.process.has_ended())
    }

    /// Ends what still runs at once.
    pub fn kill(&mut self) {
        self.nodes.values_mut().for_each(|node| node.process.kill());
    }
}

fn step(
    name: &str,
    node: &mut Node,
    sidecar: &Path,
    reserved: &BTreeSet<u16>,
    now: Duration,
    happened: &mut Vec<Happening>,
) {
    let log = node.home.log();
    if let Some(event) = node.process.watch(&log, now) {
        node.forget_process();
        let text = match (node.on, node.is_stopped()) {
            (true, false) => told(&event, &log),
            (true, true) => "its node has ended; its data stays".to_owned(),
            (false, _) => "its node is switched off; its data stays".to_owned(),
        };
        happened.push(Happening::Told(name.to_owned(), text));
        happened.push(Happening::Reported(node.namespace.clone()));
    }
    let overdue = |since| now.saturating_sub(since) >= OFF_GRACE;
    if !node.on && node.off_since.is_some_and(overdue) && node.process.is_running() {
        node.process.kill();
    }
    match node.stop_if_behind(now) {
        None => {}
        Some(Stop::Asked) => {
            let text = "its configuration could not be written, and what is withdrawn in it must end: its node is stopped until it can be";
            happened.push(Happening::Told(name.to_owned(), text.to_owned()));
        }
        Some(Stop::Killed) => {
            node.forget_process();
            let text = "its node did not end: it is killed; its data stays";
            happened.push(Happening::Told(name.to_owned(), text.to_owned()));
            happened.push(Happening::Reported(node.namespace.clone()));
        }
    }
    if node.is_due(now) {
        start(name, node, sidecar, reserved, now, happened);
    }
    if node.look_at_configuration(now) {
        happened.push(Happening::Reported(node.namespace.clone()));
    }
    if node.look_at_report() {
        happened.push(Happening::Reported(node.namespace.clone()));
    }
    node.ask(now);
}

fn start(
    name: &str,
    node: &mut Node,
    sidecar: &Path,
    reserved: &BTreeSet<u16>,
    now: Duration,
    happened: &mut Vec<Happening>,
) {
    if node.ports.taken() {
        let chosen = Ports::choose(reserved).map_err(FleetError::from);
        let chosen = chosen.and_then(|ports| Ok(node.home.keep_ports(ports).map(|()| ports)?));
        match chosen {
            Ok(ports) => {
                node.ports = ports;
                happened.push(Happening::Moved);
                let text = "one of its ports is taken by another program: it gets others";
                happened.push(Happening::Told(name.to_owned(), text.to_owned()));
            }
            Err(error) => {
                let event = node.process.not_started(error.to_string(), now);
                let text = told(&event, &node.home.log());
                return happened.push(Happening::Told(name.to_owned(), text));
            }
        }
    }
    node.forget_process();
    let event = node.process.start(&node.launch(sidecar), now);
    let mut text = told(&event, &node.home.log());
    if matches!(event, Event::Started { .. }) {
        text.push_str(&format!(", its API at http://{}", node.ports.api_address()));
    }
    happened.push(Happening::Told(name.to_owned(), text));
}

fn told(event: &Event, log: &Path) -> String {
    match event {
        Event::Started { process } => format!("its sidecar is started as process {process}"),
        Event::Ended {
            how,
            last_line,
            pause,
        } => {
            let said = match last_line.as_str() {
                "" => String::new(),
                line => format!("\n    it said last: {line}"),
            };
            format!(
                "its sidecar ended: {how}. It is started again in {} ms; its log: {}{said}",
                pause.as_millis(),
                log.display()
            )
        }
        Event::NotStarted { why, pause } => {
            format!("{why}. It is tried again in {} ms", pause.as_millis())
        }
    }
}
