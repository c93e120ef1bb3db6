//! One step of the local mode: observe, plan, apply; [`told`] reports.

mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use rand::CryptoRng;

use super::content;
use super::fleet::{Fleet, Happening};
use super::home::Kept;
use super::memory;
use super::node::Node;
use super::observe::{self, View};
use super::plan::{Circumstances, Desk, Planned};
use super::refusals::{self, Refusals};
use super::register::Registers;
use super::report::{Teller, unused};
use super::run::{LocalError, Options, Outside};
use super::state::State;
use super::watch::{self, FileStamp, Settling};
use crate::keys::file::FileError;
use crate::manifest::Namespace;
use crate::node::files::claims;
use crate::print::Printer;
use crate::validate::Checker;

/// What could not be written is tried again after this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Which nodes run decides where peers are dialled, and a plan decides which nodes run: planning
/// is repeated until both agree. Two rounds do; more would mean that they never will.
const ROUNDS_MAX: usize = 4;

/// Everything between two steps.
pub struct Local<C, R, W> {
    options: Options,
    clock: C,
    rng: R,
    teller: Teller<W>,
    checker: Checker,
    state: State,
    /// The nodes.
    pub fleet: Fleet,
    settling: Settling,
    view: View,
    has_read: bool,
    /// Whether what applies is kept for the next run.
    is_remembered: bool,
    desks: BTreeMap<String, Desk>,
    refusals: BTreeMap<String, Refusals>,
    registers: Registers,
    /// Namespaces to be planned.
    due: BTreeSet<String>,
    boundaries: BTreeMap<String, Timestamp>,
    not_before: Duration,
    /// Namespaces whose statuses changed and were not printed: since when, and when last.
    unprinted: BTreeMap<String, (Duration, Duration)>,
    /// Files that programs read, as they were written.
    published: BTreeMap<&'static str, (String, Option<FileStamp>)>,
    publish_not_before: Duration,
    said: BTreeSet<(String, String)>,
}

impl<C, R, W> Local<C, R, W>
where
    C: Fn() -> Timestamp,
    R: CryptoRng,
    W: Write,
{
    /// Opens the state; nothing is read yet.
    ///
    /// # Errors
    /// [`LocalError`].
    pub fn new(options: Options, outside: Outside<C, R, W>) -> Result<Self, LocalError> {
        if !options.directory.is_dir() {
            return Err(LocalError::Directory(options.directory));
        }
        if !options.sidecar.is_file() {
            return Err(LocalError::Sidecar(options.sidecar));
        }
        let checker = Checker::new()?;
        let teller = Teller::new(outside.stream, options.output, Printer::new()?);
        let state = State::open(&options.state, &options.directory)?;
        let kept = state.kept()?;
        // The last run's view is the one before the first reading of this one.
        let (view, registers) = state.memory(&options.directory)?;
        Ok(Self {
            view,
            registers,
            fleet: Fleet::new(options.sidecar.clone(), kept),
            clock: outside.clock,
            rng: outside.rng,
            teller,
            checker,
            state,
            settling: Settling::default(),
            has_read: false,
            is_remembered: false,
            desks: BTreeMap::new(),
            refusals: BTreeMap::new(),
            due: BTreeSet::new(),
            boundaries: BTreeMap::new(),
            not_before: Duration::ZERO,
            unprinted: BTreeMap::new(),
            published: BTreeMap::new(),
            publish_not_before: Duration::ZERO,
            said: BTreeSet::new(),
            options,
        })
    }

    /// One step at `now`, counted from any fixed moment; `later` reads the same clock again.
    /// Returns how long it took to look at the folder.
    pub fn step(&mut self, now: Duration, later: impl Fn() -> Duration) -> Duration {
        let stamps = watch::look(&self.options.directory);
        let look_took = later().saturating_sub(now);
        if self.settling.see(stamps, now) {
            self.read(now);
        }
        for happening in self.fleet.step(now) {
            match happening {
                Happening::Told(organization, text) => self.teller.say(Some(&organization), &text),
                Happening::Reported(namespace) => {
                    self.due.insert(namespace);
                }
                Happening::Moved => self.everything_is_due(),
            }
        }
        self.what_time_changed_is_due();
        if self.has_read && !self.due.is_empty() && now >= self.not_before {
            match self.remember() {
                Ok(()) => self.plan(now),
                Err(error) => self.not_remembered(&error, now),
            }
        }
        self.publish(now);
        self.print(now);
        look_took
    }

    /// Tells something about the whole.
    pub fn say(&mut self, text: &str) {
        self.teller.say(None, text);
    }

    fn read(&mut self, now: Duration) {
        let directory = self.options.directory.clone();
        let folder = self.checker.read_directory(&directory);
        let Some(unsettled) = self.settling.read(watch::look(&directory)) else {
            // Somebody wrote meanwhile: what was read may be half of it.
            return;
        };
        let mut view = observe::view(&self.checker, &directory, &self.view, folder, &unsettled);
        self.registers.note(&mut view.folder, (self.clock)());
        self.teller.findings(&view.folder.findings);
        for (id, file) in &view.kept {
            if !self.view.kept.contains_key(id) {
                let text = refusals::told(id, file);
                self.teller.say(Some(&id.namespace), &text);
            }
        }
        self.view = view;
        self.note_refusals(now);
        self.has_read = true;
        self.is_remembered = false;
        self.everything_is_due();
    }

    /// What was refused stands under the tables, which are printed again when it changes.
    fn note_refusals(&mut self, now: Duration) {
        for name in self.names() {
            let refusals = Refusals::of(&self.view, &self.options.directory, &name);
            let before = self.refusals.insert(name.clone(), refusals.clone());
            if before.unwrap_or_default() != refusals {
                self.changed(&name, now);
            }
        }
    }

    /// Keeps what applies now, before anything is configured with it.
    fn remember(&mut self) -> Result<(), FileError> {
        if !self.is_remembered {
            let text = memory::written(&self.options.directory, &self.view, &self.registers);
            self.state.remember(&text)?;
            self.is_remembered = true;
        }
        Ok(())
    }

    /// What applies now could not be kept, so nothing is configured with it. A node for which
    /// something else is planned than it has must not go on.
    fn not_remembered(&mut self, error: &FileError, now: Duration) {
        self.say_failed(None, error, now);
        let why = words(error);
        let (claims, loopback) = (claims(&self.view.folder), self.fleet.loopback());
        for name in self.due.clone() {
            let Some(organization) = self.fleet.organization_in(&name).map(str::to_owned) else {
                continue;
            };
            let report = self
                .fleet
                .node(&organization)
                .and_then(|n| n.report.clone());
            let circumstances = Circumstances {
                claims: &claims,
                loopback: &loopback,
                report: report.as_ref(),
                now: (self.clock)(),
            };
            let desk = self.desks.entry(name.clone()).or_default();
            let mut namespaces = self.view.folder.namespaces.iter();
            let namespace = namespaces.find(|namespace| namespace.name == name);
            let planned = namespace.map(|n| (desk.plan(n, &circumstances, &mut self.rng), n));
            let Some(node) = self.fleet.node(&organization) else {
                continue;
            };
            let stays = planned.as_ref().is_some_and(|(planned, namespace)| {
                planned.organization() == Some(organization.as_str())
                    && node
                        .configuration
                        .says(&planned.plan, &content::files(namespace))
            });
            let mut changed = match stays {
                true => node.placed(),
                false => node.not_placed(&why, now),
            };
            if let Some((planned, _)) = planned {
                changed |= desk.settle_statuses(planned.plan);
            }
            if changed {
                self.changed(&name, now);
            }
        }
    }

    fn names(&self) -> BTreeSet<String> {
        let read = self.view.folder.namespaces.iter().map(|n| n.name.clone());
        read.chain(self.desks.keys().cloned()).collect()
    }

    fn everything_is_due(&mut self) {
        self.due = self.names();
    }

    fn what_time_changed_is_due(&mut self) {
        if self.boundaries.is_empty() {
            return;
        }
        let now = (self.clock)();
        let past = self.boundaries.iter().filter(|(_, at)| **at <= now);
        let past: Vec<String> = past.map(|(namespace, _)| namespace.clone()).collect();
        for namespace in past {
            self.boundaries.remove(&namespace);
            self.due.insert(namespace);
        }
    }

    fn namespace(&self, name: &str) -> Option<&Namespace> {
        let mut namespaces = self.view.folder.namespaces.iter();
        namespaces.find(|namespace| namespace.name == name)
    }

    fn plan(&mut self, now: Duration) {
        let claims = claims(&self.view.folder);
        let moment = (self.clock)();
        let mut plans = BTreeMap::new();
        // What fails on the way is due again.
        let mut due = std::mem::take(&mut self.due);
        for _ in 0..ROUNDS_MAX {
            let loopback = self.fleet.loopback();
            plans.clear();
            for name in &due {
                let node = self.fleet.organization_in(name).map(str::to_owned);
                let report = node.and_then(|o| self.fleet.node(&o)?.report.clone());
                let circumstances = Circumstances {
                    claims: &claims,
                    loopback: &loopback,
                    report: report.as_ref(),
                    now: moment,
                };
                let desk = self.desks.entry(name.clone()).or_default();
                let mut namespaces = self.view.folder.namespaces.iter();
                let namespace = namespaces.find(|namespace| namespace.name == *name);
                let planned = namespace.map(|n| desk.plan(n, &circumstances, &mut self.rng));
                plans.insert(name.clone(), planned);
            }
            let seated = self.seat(&plans, now);
            if self.fleet.loopback() != loopback {
                due = self.names();
            } else if !seated {
                break;
            }
        }
        for (name, planned) in plans {
            self.apply(&name, planned, now);
        }
    }

    /// Switches nodes on and off as the plans say. Returns whether the plans must be made again.
    fn seat(&mut self, plans: &BTreeMap<String, Option<Planned>>, now: Duration) -> bool {
        let mut again = false;
        let wanted = |planned: &Option<Planned>| {
            planned
                .as_ref()
                .and_then(|p| p.organization().map(str::to_owned))
        };
        for (name, planned) in plans {
            if self.fleet.organization_in(name).map(str::to_owned) != wanted(planned) {
                again |= self.fleet.switch_off(name, now);
            }
        }
        for (name, planned) in plans {
            let Some(organization) = wanted(planned) else {
                continue;
            };
            if self.fleet.organization_in(name) != Some(organization.as_str())
                && let Err(error) = self.fleet.switch_on(&self.state, &organization, name)
            {
                self.failed(name, &error, now);
                continue;
            }
            let desk = self.desks.entry(name.clone()).or_default();
            let node = self.fleet.node(&organization);
            let kept = node.and_then(|node| node.kept.as_ref());
            // Its sequence goes on where an earlier run, or another namespace here, left it.
            if desk.previous.as_ref().map(|p| &p.root) != kept.map(|kept| &kept.root) {
                desk.previous = self.fleet.previous(&organization);
                again = true;
            }
        }
        again
    }

    fn apply(&mut self, name: &str, planned: Option<Planned>, now: Duration) {
        let Some(planned) = planned else {
            // The namespace is gone, and its node was switched off with it.
            self.desks.remove(name);
            self.boundaries.remove(name);
            self.unprinted.remove(name);
            self.refusals.remove(name);
            return;
        };
        for refusal in &planned.refusals {
            self.say_once(name, &format!("a certificate was not signed: {refusal}"));
        }
        match self.write(name, &planned) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.not_written(name, planned, &*error, now),
        }
        let organization = planned.organization().map(str::to_owned);
        let node = organization.and_then(|organization| self.fleet.node(&organization));
        if node.is_some_and(Node::placed) {
            self.teller
                .say(Some(name), "its configuration is written again");
            self.changed(name, now);
        }
        match planned.plan.next_boundary {
            Some(at) => self.boundaries.insert(name.to_owned(), at),
            None => self.boundaries.remove(name),
        };
        let desk = self.desks.entry(name.to_owned()).or_default();
        if desk.settle(planned.plan) {
            self.changed(name, now);
        }
        if let Some(text) = self.namespace(name).and_then(unused) {
            self.say_once(name, &text);
        }
    }

    /// What is planned could not be written: it is tried again, and the node must not go on
    /// without it.
    fn not_written(
        &mut self,
        name: &str,
        planned: Planned,
        error: &dyn std::error::Error,
        now: Duration,
    ) {
        let why = words(error);
        let organization = planned.organization().map(str::to_owned);
        let node = organization.and_then(|organization| self.fleet.node(&organization));
        let (mut changed, mut is_kept) = (false, false);
        if let Some(node) = node {
            changed = node.not_placed(&why, now);
            let kept = node.kept.as_ref().map(|kept| &kept.root);
            is_kept = kept == planned.plan.root.as_ref().map(|root| &root.config);
        }
        let desk = self.desks.entry(name.to_owned()).or_default();
        changed |= match is_kept {
            // The node may have seen a part of it: the next plan goes on from here.
            true => desk.settle(planned.plan),
            false => desk.settle_statuses(planned.plan),
        };
        if changed {
            self.changed(name, now);
        }
        self.failed(name, error, now);
    }

    /// Writes what a plan says, in the order in which a restart goes on from it: first what must
    /// never go back, then what the node sees. Returns whether the plan is in place.
    fn write(&mut self, name: &str, planned: &Planned) -> Result<bool, Box<dyn std::error::Error>> {
        let (Some(organization), Some(root)) = (planned.organization(), &planned.plan.root) else {
            return Ok(true);
        };
        let namespaces = &self.view.folder.namespaces;
        let Some(namespace) = namespaces.iter().find(|n| n.name == name) else {
            return Ok(true);
        };
        let Some(node) = self.fleet.node(organization).filter(|node| node.on) else {
            // It could not be switched on, which was told; it is tried again.
            return Ok(false);
        };
        let kept = Kept {
            namespace: name.to_owned(),
            root: root.config.clone(),
        };
        // Somebody may have removed a folder meanwhile.
        node.home.make()?;
        node.home.ensure_store_key(&mut self.rng)?;
        let clients = root
            .config
            .spec
            .root
            .as_ref()
            .map(|root| root.api.as_slice());
        node.home
            .ensure_tokens(clients.unwrap_or_default(), &mut self.rng)?;
        let is_new = node.kept.as_ref() != Some(&kept);
        if is_new {
            node.home.keep(&kept)?;
            node.kept = Some(kept);
        }
        let content = content::files(namespace);
        node.configuration.apply(&planned.plan, &content)?;
        Ok(true)
    }

    fn failed(&mut self, name: &str, error: &dyn std::error::Error, now: Duration) {
        self.say_failed(Some(name), error, now);
        self.due.insert(name.to_owned());
    }

    fn say_failed(&mut self, about: Option<&str>, error: &dyn std::error::Error, now: Duration) {
        let text = words(error);
        self.teller
            .say(about, &format!("{text}. It is tried again"));
        self.not_before = now + RETRY_AFTER;
    }

    fn say_once(&mut self, about: &str, text: &str) {
        if self.said.insert((about.to_owned(), text.to_owned())) {
            self.teller.say(Some(about), text);
        }
    }

    fn changed(&mut self, namespace: &str, now: Duration) {
        let entry = self.unprinted.entry(namespace.to_owned());
        entry
            .and_modify(|(_, last)| *last = now)
            .or_insert((now, now));
    }
}

/// An error with what caused it.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
