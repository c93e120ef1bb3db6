//! Tells when an edit lets somebody see more than before, by an Event `AccessWidened` on the local
//! organization: who reads Events of a bank hears of every widening, whoever made it.

use finp2p_crds::access::Facts;
use jiff::Timestamp;
use kube::Resource as _;
use kube::runtime::events::{Event, EventType};

use super::inputs::Inputs;
use super::observe::Watched;
use super::plan::Plan;
use super::report::Speaker;
use crate::diff::{self, Changed, Widened};

/// Reason of the Event.
pub const REASON: &str = "AccessWidened";

/// What a node was configured with before an edit.
#[derive(Debug, Default)]
pub struct Widening {
    before: Option<Facts>,
    /// A plan was written in part: what it widens is told when the rest is, whatever is left to write.
    waits: bool,
}

impl Widening {
    /// Takes note of what is configured, once, before the first plan is applied.
    pub fn begin(&mut self, inputs: &Inputs) {
        if self.before.is_some() {
            return;
        }
        let Some(previous) = &inputs.previous else {
            return;
        };
        let root = previous.root.spec.root.as_ref();
        let slices = previous.slices.iter().filter_map(|s| s.spec.slice.as_ref());
        let entries = || slices.clone().flat_map(|slice| &slice.entries);
        self.before = root.map(|root| diff::facts_of(&root.organization_id, entries));
    }

    /// Takes note that a plan could not be applied whole.
    pub fn wait(&mut self) {
        self.waits = true;
    }

    /// Tells what a plan that was applied lets others see that they did not before.
    pub async fn tell(
        &mut self,
        plan: &Plan,
        watched: &Watched,
        speaker: &mut Speaker,
        now: Timestamp,
    ) {
        let changed = plan.slices.iter().any(|slice| slice.changed);
        if self.before.is_some() && !changed && !self.waits {
            return;
        }
        self.waits = false;
        let Some(after) = diff::facts(plan) else {
            return;
        };
        let organization = after.organization().to_owned();
        let nothing = || Facts::new(organization.clone(), Vec::new(), Vec::new(), Vec::new());
        let before = self.before.take().unwrap_or_else(nothing);
        // A market of ten thousand assets takes a moment; what is in force does not wait for it.
        let compared = tokio::task::spawn_blocking(move || {
            let changed = Changed::between(&before, &after);
            let widened = Widened::between(&before, &after, &changed, now);
            (after, widened.map(|widened| widened.note()))
        });
        let Ok((after, note)) = compared.await else {
            return;
        };
        self.before = Some(after);
        let local = watched.organizations.objects().into_iter().find(|o| {
            let id = o.spec.organization_id.as_ref().or(o.metadata.name.as_ref());
            o.spec.node.is_some() && id == Some(&organization)
        });
        if let (Some(note), Some(local)) = (note, local) {
            tracing::info!(organization, "access is widened: {note}");
            let event = Event {
                type_: EventType::Normal,
                reason: REASON.to_owned(),
                note: Some(note),
                action: "Configure".to_owned(),
                secondary: None,
            };
            speaker.publish(&local.object_ref(&()), &event).await;
        }
    }
}
