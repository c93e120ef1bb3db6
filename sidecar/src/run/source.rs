//! Where the node's configuration comes from, where its report goes, and who vouches for the
//! callers of its local API: a directory for all three, or the Kubernetes API.

use std::sync::Arc;

use super::RunError;
use super::tokens::TokenFolder;
use crate::api::auth::{Callers, Reviews, Tokens};
use crate::args::{Args, From};
use crate::clock::Clock;
use crate::config::kubernetes::server::Server;
use crate::config::kubernetes::{Rhythm, connect};
use crate::config::{Directory, Kubernetes, Source};
use crate::node::report::{Report, ReportFile};

/// All that differs between a directory and a cluster.
pub struct Origin {
    pub name: String,
    pub source: Arc<dyn Source>,
    pub report: Arc<dyn Report>,
    pub callers: Callers,
    /// Read by the loop; `None` on a cluster.
    pub tokens: Option<TokenFolder>,
}

impl Origin {
    /// As the command line says.
    pub async fn of(args: &Args, clock: &Clock) -> Result<Self, RunError> {
        Ok(match args.from() {
            From::Directory(directory) => {
                let tokens = Arc::new(Tokens::default());
                let report = args.report.clone();
                let report = report.unwrap_or_else(|| args.state.join("report.yaml"));
                let folder = args.api_tokens.clone();
                Self {
                    name: directory.display().to_string(),
                    source: Arc::new(Directory::new(directory)),
                    report: Arc::new(ReportFile::new(report)),
                    callers: Callers::Files(Arc::clone(&tokens)),
                    tokens: folder.map(|folder| TokenFolder::new(folder, tokens)),
                }
            }
            From::Kubernetes { root, namespace } => {
                let (client, own) = connect::connect().await?;
                let namespace = namespace.map_or(own, str::to_owned);
                let (source, report) = Kubernetes::start(
                    client.clone(),
                    root,
                    &namespace,
                    clock.clone(),
                    Rhythm::ORDINARY,
                );
                let reviews =
                    Reviews::new(Server::new(client), root, namespace.clone(), clock.clone());
                Self {
                    name: format!("SidecarConfig {root} in namespace {namespace}"),
                    source,
                    report,
                    callers: Callers::Reviews(Arc::new(reviews)),
                    tokens: None,
                }
            }
        })
    }
}
