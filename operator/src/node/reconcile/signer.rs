//! The issuing key of a namespace, as long as its Secret is the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use zeroize::{Zeroize as _, Zeroizing};

use super::Keeper;
use crate::keys::signer::Signer;
use crate::node::apply::Problem;
use crate::node::inputs::SignerState;

/// The signer, and the Secret that it was made of.
pub(super) struct Held {
    secret: String,
    version: String,
    pub(super) signer: Arc<Result<Signer, SignerState>>,
}

impl Keeper {
    /// The issuing key, read again when its Secret is another.
    pub(super) async fn signer_state(
        &mut self,
        local: Option<String>,
    ) -> Result<SignerState, Problem> {
        let local = local.and_then(|name| self.watched.organizations.get(&name));
        let Some((local, node)) = local
            .as_ref()
            .and_then(|l| Some((l, l.spec.node.as_ref()?)))
        else {
            self.signer = None;
            return Ok(SignerState::Missing);
        };
        let name = &node.signer.secret_name;
        let Some(version) = self
            .watched
            .secrets
            .get(name)
            .and_then(|s| s.resource_version())
        else {
            self.signer = None;
            return Ok(SignerState::Missing);
        };
        let known = self.signer.as_ref();
        if known.is_none_or(|held| (&held.secret, &held.version) != (name, &version)) {
            let organization = local.spec.organization_id.clone();
            let organization = organization.unwrap_or_else(|| local.name_any());
            let data = self.read_secret(name).await?;
            let signer = match &self.world.signer_command {
                Some(command) => {
                    Signer::elsewhere(&organization, &node.network, &data, command.clone())
                }
                None => Signer::from_secret(&organization, &node.network, &data),
            };
            let signer = signer.map_err(|error| SignerState::Unusable(error.to_string()));
            self.signer = Some(Held {
                secret: name.clone(),
                version,
                signer: Arc::new(signer),
            });
        }
        let signer = self.signer.as_ref().map(|held| held.signer.as_ref());
        Ok(match signer {
            Some(Ok(signer)) => signer.state(),
            Some(Err(state)) => state.clone(),
            None => SignerState::Missing,
        })
    }

    async fn read_secret(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, Zeroizing<Vec<u8>>>, Problem> {
        let api: Api<Secret> = Api::namespaced(self.world.client.clone(), &self.namespace);
        let secret = api.get(name).await.map_err(|source| Problem::Write {
            what: format!("the status for Secret {name}"),
            source: Box::new(source),
        })?;
        let data = secret.data.into_iter().flatten();
        Ok(data
            .map(|(key, mut bytes)| {
                let copy = Zeroizing::new(bytes.0.clone());
                bytes.0.zeroize();
                (key, copy)
            })
            .collect())
    }
}
