//! While another namespace cannot be read, no new organization starts: an older claim to it may be
//! there. That is told where somebody looks who waits for it.

use finp2p_crds::PeerOrganization;

use super::Keeper;
use crate::node::inputs::Claim;
use crate::node::plan::status::organization;

impl Keeper {
    /// Says on the local organization which namespaces it waits for, if those cannot be read. What is
    /// only being read is not worth a word.
    pub(super) async fn tell_unread(&mut self, own: &Claim, unread: &[String]) {
        let troubled = |name: &&String| {
            let watched = self.world.namespaces.get(*name);
            watched.is_some_and(|watched| watched.trouble().is_some())
        };
        let troubled: Vec<&str> = unread.iter().filter(troubled).map(String::as_str).collect();
        if troubled.is_empty() {
            return;
        }
        let message = format!(
            "waits for namespace {}, which is on the operator's list and cannot be read: an older PeerOrganization that runs {} may be there. Give the operator its rights there (the chart makes Role and RoleBinding in each of `namespaces`), or take it off the list; the operator's log has the API server's answer",
            troubled.join(", "),
            own.organization_id
        );
        if self.unread.as_ref() != Some(&message) {
            tracing::warn!(
                namespace = self.namespace,
                "PeerOrganization {} {message}",
                own.name
            );
            self.unread = Some(message.clone());
        }
        let Some(local) = self.watched.organizations.get(&own.name) else {
            return;
        };
        let now = (self.world.clock)();
        let local: &PeerOrganization = &local;
        let status = organization::unread(local, &own.organization_id, &message, now);
        self.speaker.organization(status, &self.watched).await;
    }
}
