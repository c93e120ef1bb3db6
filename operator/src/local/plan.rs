//! One namespace of files planned with the operator's own plan: what an API server would add to
//! the objects, the issuing key at work, and what was configured before.

use std::collections::BTreeMap;
use std::sync::Arc;

use finp2p_crds::SidecarConfig;
use finp2p_crds::peer_organization::PeerOrganizationStatus;
use finp2p_crds::shared_asset::SharedAssetStatus;
use finp2p_crds::sharing_policy::SharingPolicyStatus;
use finp2p_crds::sidecar_config::SidecarConfigStatus;
use jiff::Timestamp;
use rand::Rng;

use crate::keys::signer::Signer;
use crate::manifest::{Namespace, ObjectId};
use crate::node::files::{self, Objects};
use crate::node::plan::ObjectStatus;
use crate::node::sign::plan_and_sign;
use crate::node::{Claim, Dialling, Inputs, Plan, Previous, SignerState};

/// What is known of one namespace between two plans.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    /// What is configured; stays when the node is switched off, so that its sequence goes on.
    pub previous: Option<Previous>,
    /// Statuses of the PeerOrganizations, by name.
    pub organizations: BTreeMap<String, PeerOrganizationStatus>,
    /// Statuses of the SharedAssets, by name.
    pub assets: BTreeMap<String, SharedAssetStatus>,
    /// Statuses of the SharingPolicies, by name.
    pub policies: BTreeMap<String, SharingPolicyStatus>,
}

/// What a namespace is planned with, beside its objects.
#[derive(Clone, Debug)]
pub struct Circumstances<'c> {
    /// Local organizations of every namespace.
    pub claims: &'c [Claim],
    /// Where the nodes that run here are dialled, by organization.
    pub loopback: &'c BTreeMap<String, Vec<String>>,
    /// The node's report.
    pub report: Option<&'c SidecarConfigStatus>,
    /// The moment.
    pub now: Timestamp,
}

/// A plan, and what the signer refused.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan, with the certificates that were due. Every configuration object has a uid.
    pub plan: Plan,
    /// Why certificates that are due were not made.
    pub refusals: Vec<String>,
}

impl Planned {
    /// The organization whose node this configures.
    pub fn organization(&self) -> Option<&str> {
        let root = self.plan.root.as_ref()?.config.spec.root.as_ref()?;
        Some(root.organization_id.as_str())
    }
}

impl Desk {
    /// Plans a namespace and signs what is due.
    pub fn plan(
        &self,
        namespace: &Namespace,
        circumstances: &Circumstances<'_>,
        rng: &mut impl Rng,
    ) -> Planned {
        let signer = files::signer(namespace);
        let mut inputs = self.inputs(namespace, circumstances, &signer);
        let (mut planned, refusals) = plan_and_sign(&mut inputs, signer.as_ref().ok(), rng);
        for config in planned.root.iter_mut().chain(&mut planned.slices) {
            identify(&namespace.name, &mut config.config);
        }
        Planned {
            plan: planned,
            refusals,
        }
    }

    fn inputs(
        &self,
        namespace: &Namespace,
        circumstances: &Circumstances<'_>,
        signer: &Result<Signer, SignerState>,
    ) -> Inputs {
        let mut objects = Objects::of(namespace);
        for observed in &mut objects.organizations {
            let object = Arc::make_mut(&mut observed.object);
            object.status = of(&self.organizations, object.metadata.name.as_ref());
        }
        for observed in &mut objects.assets {
            let object = Arc::make_mut(&mut observed.object);
            object.status = of(&self.assets, object.metadata.name.as_ref());
        }
        for observed in &mut objects.policies {
            let object = Arc::make_mut(&mut observed.object);
            object.status = of(&self.policies, object.metadata.name.as_ref());
        }
        Inputs {
            namespace: namespace.name.clone(),
            organizations: objects.organizations,
            assets: objects.assets,
            policies: objects.policies,
            sources: objects.sources,
            disputed: objects.disputed,
            claims: circumstances.claims.to_vec(),
            signer: match signer {
                Ok(signer) => signer.state(),
                Err(state) => state.clone(),
            },
            signed: Vec::new(),
            dialling: Dialling::Loopback(circumstances.loopback.clone()),
            cluster: None,
            previous: self.previous.clone(),
            report: circumstances.report.cloned(),
            now: circumstances.now,
        }
    }

    /// Takes note of a plan that was applied. Returns whether a status changed.
    pub fn settle(&mut self, plan: Plan) -> bool {
        if let Some(root) = plan.root {
            self.previous = Some(Previous {
                root: root.config,
                slices: plan.slices.into_iter().map(|s| s.config).collect(),
                memory: plan.memory,
            });
        }
        self.show(plan.organizations, plan.assets, plan.policies)
    }

    /// Takes note of the statuses of a plan that could not be applied: what was in force is not
    /// what is declared, and nothing may say so. Returns whether a status changed.
    pub fn settle_statuses(&mut self, plan: Plan) -> bool {
        self.show(plan.organizations, plan.assets, plan.policies)
    }

    fn show(
        &mut self,
        organizations: Vec<ObjectStatus<PeerOrganizationStatus>>,
        assets: Vec<ObjectStatus<SharedAssetStatus>>,
        policies: Vec<ObjectStatus<SharingPolicyStatus>>,
    ) -> bool {
        let organizations = replace(&mut self.organizations, organizations);
        let assets = replace(&mut self.assets, assets);
        let policies = replace(&mut self.policies, policies);
        organizations || assets || policies
    }
}

fn of<S: Clone>(statuses: &BTreeMap<String, S>, name: Option<&String>) -> Option<S> {
    statuses.get(name?).cloned()
}

fn replace<S>(statuses: &mut BTreeMap<String, S>, new: Vec<ObjectStatus<S>>) -> bool {
    let changed = new.len() != statuses.len() || new.iter().any(|s| s.changed);
    *statuses = new.into_iter().map(|s| (s.name, s.status)).collect();
    changed
}

/// The uid that an API server would give: the same in every run.
fn identify(namespace: &str, config: &mut SidecarConfig) {
    let id = ObjectId {
        kind: "SidecarConfig".to_owned(),
        namespace: namespace.to_owned(),
        name: config.metadata.name.clone().unwrap_or_default(),
    };
    config.metadata.uid = Some(id.uid());
}

#[cfg(test)]
mod tests;
