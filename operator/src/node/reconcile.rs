//! One namespace, kept as its objects say: observe → validate and plan → sign → apply → report.
//!
//! Each namespace has a task of its own, so that what is wrong in one never delays another.
//!
//! - [`met`]: what stood in the way of the last plan.
//! - [`signer`]: the issuing key, read when its Secret changes.
//! - [`unread`]: what is told while another namespace cannot be read.

mod met;
mod signer;
mod unread;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::events::{Event, EventType};
use kube::{Client, Resource as _, ResourceExt as _};
use rand::Rng as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use zeroize::Zeroizing;

use self::met::Met;
use self::signer::Held;
use super::apply::{Applier, News, Problem};
use super::history::History;
use super::inputs::{Claim, Cluster, Dialling, Inputs, Previous, SignerState};
use super::observe::{Watched, observed};
use super::plan::names::Names;
use super::plan::{Memory, Plan, service};
use super::report::{NOTE_MAX_CHARS, Speaker, Told};
use super::sign;
use super::widening::Widening;
use crate::cluster_error::{self, Cure};
use crate::keys::signer::Signer;
use crate::keys::signer_command::SignerCommand;
use crate::metrics::Metrics;

/// Changes are gathered for this long before they are planned: one `kubectl apply` of a folder is
/// many events.
const GATHER: Duration = Duration::from_millis(5);
/// After a failure the plan is tried again after this long, doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// What a person must mend outside our objects is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// A status that waits for the node is looked at again after this long.
const HELD: Duration = Duration::from_millis(500);
/// Longest wait for a moment at which time changes the answer: clocks are set.
const BOUNDARY_MAX: Duration = Duration::from_secs(600);
/// Reason of the Event about what others wrote into our objects.
const CHANGE_UNDONE: &str = "ChangeUndone";

/// What all namespaces share.
pub struct World {
    /// The client.
    pub client: Client,
    /// Image of the sidecar.
    pub sidecar_image: String,
    /// Labels of the namespaces whose pods may scrape the nodes.
    pub metrics_from: Option<BTreeMap<String, String>>,
    /// Signs with keys that are elsewhere.
    pub signer_command: Option<SignerCommand>,
    /// Who writes Events.
    pub instance: String,
    /// The clock.
    pub clock: fn() -> Timestamp,
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// Local organizations by namespace; a namespace that was not read yet is not in it.
    pub claims: Mutex<BTreeMap<String, Vec<Claim>>>,
    /// Every namespace that is watched.
    pub namespaces: BTreeMap<String, Arc<Watched>>,
    /// Counts changes of `claims`, for the other namespaces.
    pub claimed: watch::Sender<u64>,
}

impl World {
    /// Takes note of the claims of one namespace; returns those of all, and the namespaces that
    /// were not read yet.
    fn claim(&self, namespace: &str, claims: Vec<Claim>) -> (Vec<Claim>, Vec<String>) {
        let mut all = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(namespace) != Some(&claims) {
            all.insert(namespace.to_owned(), claims);
            self.claimed.send_modify(|n| *n = n.wrapping_add(1));
        }
        let claims = all.values().flatten().cloned().collect();
        let unread = self
            .namespaces
            .keys()
            .filter(|name| !all.contains_key(*name));
        (claims, unread.cloned().collect())
    }
}

/// Keeps one namespace.
pub struct Keeper {
    namespace: String,
    world: Arc<World>,
    watched: Arc<Watched>,
    applier: Applier,
    speaker: Speaker,
    memory: Memory,
    met: Met,
    /// Whether the last plan was made again at once and told nobody.
    is_replanned: bool,
    signer: Option<Held>,
    widening: Widening,
    history: History,
    /// The watches of the namespace, which end with it.
    watches: JoinSet<()>,
    /// Counts what they tell.
    changed: watch::Sender<u64>,
    /// What was told of namespaces that cannot be read.
    unread: Option<String>,
}

/// When to look again although nothing was edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Next {
    at_latest: Duration,
}

impl Keeper {
    /// A keeper of a namespace that is watched.
    pub fn new(namespace: &str, world: Arc<World>, watched: Arc<Watched>) -> Self {
        let client = world.client.clone();
        Self {
            applier: Applier::new(client.clone(), namespace),
            speaker: Speaker::new(client, namespace, &world.instance),
            namespace: namespace.to_owned(),
            world,
            watched,
            memory: Memory::default(),
            met: Met::default(),
            is_replanned: false,
            signer: None,
            widening: Widening::default(),
            history: History::default(),
            watches: JoinSet::new(),
            changed: watch::Sender::new(0),
            unread: None,
        }
    }

    /// Follows the namespace, from the first list on.
    fn follow(&mut self) {
        self.watches = JoinSet::new();
        self.watched.forget();
        self.watched.follow(
            &self.world.client,
            &self.namespace,
            &self.changed,
            &self.world.metrics,
            &mut self.watches,
        );
    }

    /// Keeps the namespace until the task is dropped.
    pub async fn keep(mut self) {
        self.follow();
        let mut changed = self.changed.subscribe();
        let mut claimed = self.world.claimed.subscribe();
        let mut retry = RETRY_FIRST;
        loop {
            changed.borrow_and_update();
            claimed.borrow_and_update();
            let wait = if self.watched.is_complete() {
                let begun = Instant::now();
                let result = self.reconcile().await;
                let took = begun.elapsed();
                self.world
                    .metrics
                    .reconciled(&self.namespace, took.as_secs_f64());
                match result {
                    Ok(next) => {
                        retry = RETRY_FIRST;
                        next.at_latest
                    }
                    Err(problem) => {
                        self.tell(&problem);
                        let pause = jittered(retry);
                        retry = (retry * 2).min(RETRY_MAX);
                        pause
                    }
                }
            } else {
                LOOK_AGAIN
            };
            tokio::select! {
                _ = changed.changed() => {}
                _ = claimed.changed() => {}
                () = tokio::time::sleep(wait) => continue,
            }
            self.world.metrics.queued(1);
            tokio::time::sleep(GATHER).await;
            self.world.metrics.queued(-1);
        }
    }

    fn tell(&self, problem: &Problem) {
        self.world.metrics.failed(&self.namespace, "apply");
        let namespace = &self.namespace;
        let text = cluster_error::chain(problem);
        match problem {
            _ if problem.is_gone() => tracing::info!(namespace, "{text}"),
            // It happens whenever two write at once, and nobody need do anything.
            Problem::Write { source, .. } if cluster_error::cure(source) == Cure::Conflict => {
                tracing::info!(namespace, "{text}; planning anew");
            }
            _ => tracing::warn!(namespace, "{text}; trying again"),
        }
    }

    async fn reconcile(&mut self) -> Result<Next, Problem> {
        let Some(inputs) = self.observe().await? else {
            return Ok(Next { at_latest: HELD });
        };
        let signer = self.signer.as_ref().map(|held| Arc::clone(&held.signer));
        self.widening.begin(&inputs);
        let (plan, refusals) = self.plan(inputs, signer).await;
        for refusal in refusals {
            tracing::warn!(
                namespace = self.namespace,
                "a certificate was not signed: {refusal}"
            );
        }
        let applied = self
            .applier
            .apply(&plan, &self.watched, || {
                let mut key = Zeroizing::new([0; 32]);
                rand::rng().fill_bytes(key.as_mut_slice());
                key
            })
            .await;
        self.memory = plan.memory.clone();
        self.remember(&plan);
        if let Ok(obstacles) = &applied
            && self.meet(obstacles)
        {
            // The plan does not know it. Its statuses would say of an edit what is not so.
            self.widening.wait();
            self.is_replanned = !self.is_replanned;
            return Ok(Next {
                // Something else each time does not become right by being planned at once.
                at_latest: if self.is_replanned {
                    Duration::ZERO
                } else {
                    HELD
                },
            });
        }
        self.is_replanned = false;
        // What went wrong with a write is no reason to leave users without a status.
        let told = self.report(&plan).await;
        let now = (self.world.clock)();
        if applied.is_ok() {
            self.widening
                .tell(&plan, &self.watched, &mut self.speaker, now)
                .await;
        } else {
            self.widening.wait();
        }
        self.tell_undone(&plan).await;
        applied?;
        Ok(Next {
            at_latest: self.next(&plan, told),
        })
    }

    /// Takes note of the root that was written, also when another write failed.
    fn remember(&mut self, plan: &Plan) {
        let name = plan.root.as_ref().map(|root| root.config.name_any());
        let root = name.and_then(|name| self.watched.configs.get(&name));
        if let Some(root) = root.as_ref().and_then(|config| config.spec.root.as_ref()) {
            self.history.wrote(root.sequence);
        }
    }

    /// Tells, on the local organization, what others had written into its objects.
    async fn tell_undone(&mut self, plan: &Plan) {
        let undone = self.applier.take_undone();
        let owners = plan.owned.iter().flat_map(|o| o.role.owner_references());
        let mut locals = owners.filter_map(|o| self.watched.organizations.get(&o.name));
        let Some(local) = locals.next().map(|local| local.object_ref(&())) else {
            return;
        };
        for News { object, note } in undone {
            let event = Event {
                type_: EventType::Warning,
                reason: CHANGE_UNDONE.to_owned(),
                note: Some(note.chars().take(NOTE_MAX_CHARS).collect()),
                action: "Undo".to_owned(),
                // Events are counted as one if they are about the same two objects.
                secondary: Some(object),
            };
            self.speaker.publish(&local, &event).await;
        }
    }

    /// Everything that decides the namespace now; `None` while that is not known.
    async fn observe(&mut self) -> Result<Option<Inputs>, Problem> {
        let namespace = self.namespace.clone();
        let (claims, unread) = self
            .world
            .claim(&namespace, self.watched.claims(&namespace));
        self.count();
        let own = claims.iter().filter(|c| c.namespace == namespace).min();
        let organization = own.map(|claim| claim.organization_id.clone());
        let previous = self.previous(organization.as_deref());
        if let Some(organization) = &organization {
            let root = previous.as_ref().map(|previous| &previous.root);
            if self.history.saw(organization, root) {
                tracing::error!(
                    namespace,
                    "SidecarConfig {organization} is older than it was: the API server went back in time, everything is read again"
                );
                self.follow();
                return Ok(None);
            }
        }
        if !unread.is_empty() && previous.is_none() {
            // Another namespace may have an older claim to this organization.
            if let Some(own) = own {
                self.tell_unread(own, &unread).await;
            }
            return Ok(None);
        }
        self.unread = None;
        if let Some(newer) = self.watched.configs.unreadable().first() {
            tracing::error!(
                namespace,
                "SidecarConfig {} was written by a newer operator: run that version, or delete the object: {}",
                newer.name,
                newer.error
            );
            return Ok(None);
        }
        let local = own.map(|claim| claim.name.clone());
        let signer = self.signer_state(local.clone()).await?;
        let names = organization.as_deref().map(Names::new);
        let report = previous.as_ref().and_then(|p| p.root.status.clone());
        Ok(Some(Inputs {
            organizations: observed(&namespace, &self.watched.organizations),
            assets: observed(&namespace, &self.watched.assets),
            policies: observed(&namespace, &self.watched.policies),
            sources: self.watched.sources(),
            // A name is one object.
            disputed: super::Disputed::new(),
            claims,
            signer,
            signed: Vec::new(),
            dialling: Dialling::Network {
                service: names
                    .as_ref()
                    .and_then(|n| self.addresses(n, local.as_deref())),
            },
            cluster: Some(self.cluster(names.as_ref())),
            previous,
            report,
            now: (self.world.clock)(),
            namespace,
        }))
    }

    fn previous(&self, organization: Option<&str>) -> Option<Previous> {
        let configs = &self.watched.configs;
        let organization = organization?;
        let mut root = configs.get(organization).map(|root| root.as_ref().clone());
        if let (None, Some(removed)) = (&root, configs.removed(organization)) {
            // Somebody deleted it: the next one counts on from it, and the node follows. No
            // incarnation is 0, so it is written anew.
            let mut removed = removed.as_ref().clone();
            removed
                .spec
                .root
                .iter_mut()
                .for_each(|root| root.incarnation = 0);
            root = Some(removed);
        }
        let root = root?;
        root.spec.root.as_ref()?;
        let configs = self.watched.configs.objects();
        let slices = configs.iter().filter(|config| config.spec.slice.is_some());
        Some(Previous {
            root,
            slices: slices.map(|slice| slice.as_ref().clone()).collect(),
            memory: self.memory.clone(),
        })
    }

    /// Where peers reach the node. A Service that is not made yet will have its own name.
    fn addresses(&self, names: &Names, local: Option<&str>) -> Option<Vec<String>> {
        let made = self.watched.services.get(&names.node());
        let made = made.map(|service| service.as_ref().clone());
        let local = local.and_then(|name| self.watched.organizations.get(name));
        let type_ = local.and_then(|l| Some(l.spec.node.as_ref()?.service.as_ref()?.type_));
        let planned = || service::unmade(&self.namespace, names, type_);
        service::addresses(&made.unwrap_or_else(planned))
    }

    fn cluster(&self, names: Option<&Names>) -> Cluster {
        let set = names.and_then(|names| self.watched.stateful_sets.get(&names.node()));
        Cluster {
            sidecar_image: self.world.sidecar_image.clone(),
            metrics_from: self.world.metrics_from.clone(),
            sequence: self.history.highest(),
            volume_claim_templates: set.and_then(|set| set.spec.volume_claim_templates.clone()),
            obstacles: self.met.obstacles().to_vec(),
        }
    }

    /// Plans on a thread of its own: ten thousand assets take a moment, and a signer that is
    /// elsewhere takes longer.
    async fn plan(
        &self,
        mut inputs: Inputs,
        signer: Option<Arc<Result<Signer, SignerState>>>,
    ) -> (Plan, Vec<String>) {
        let planned = tokio::task::spawn_blocking(move || {
            let signer = signer
                .as_ref()
                .and_then(|signer| signer.as_ref().as_ref().ok());
            sign::plan_and_sign(&mut inputs, signer, &mut rand::rng())
        });
        match planned.await {
            Ok(planned) => planned,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    async fn report(&mut self, plan: &Plan) -> Told {
        let now = (self.world.clock)();
        let told = self.speaker.report(plan, &self.watched).await;
        let speaker = &mut self.speaker;
        speaker
            .unreadable::<finp2p_crds::PeerOrganization>(
                &self.watched.organizations.unreadable(),
                now,
            )
            .await;
        speaker
            .unreadable::<finp2p_crds::SharedAsset>(&self.watched.assets.unreadable(), now)
            .await;
        speaker
            .unreadable::<finp2p_crds::SharingPolicy>(&self.watched.policies.unreadable(), now)
            .await;
        self.world.metrics.told(&self.namespace, told.written);
        if told.failed > 0 {
            self.world.metrics.failed(&self.namespace, "report");
        }
        told
    }

    fn next(&self, plan: &Plan, told: Told) -> Duration {
        let now = (self.world.clock)();
        let boundary = plan.next_boundary.map_or(BOUNDARY_MAX, |at| {
            Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO)
        });
        let mut at_latest = boundary.min(BOUNDARY_MAX);
        if told.held > 0 || told.failed > 0 {
            at_latest = at_latest.min(HELD);
        }
        if !self.met.obstacles().is_empty() {
            at_latest = at_latest.min(LOOK_AGAIN);
        }
        if let Some(pause) = self.met.try_again() {
            at_latest = at_latest.min(jittered(pause));
        }
        at_latest
    }

    fn count(&self) {
        let counts = [
            ("PeerOrganization", self.watched.organizations.count()),
            ("SharedAsset", self.watched.assets.count()),
            ("SharingPolicy", self.watched.policies.count()),
            ("SidecarConfig", self.watched.configs.count()),
        ];
        for (kind, count) in counts {
            self.world.metrics.watched(&self.namespace, kind, count);
        }
    }
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..1.0))
}
