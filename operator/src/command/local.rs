//! `finp2p-operator local DIR`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use rand::CryptoRng;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::local::report::Output;
use crate::local::{Options, Outside, run};

/// Folder of the state inside the folder of manifests; hidden, so that it is not read as one.
pub const STATE: &str = ".finp2p";
/// Name of the sidecar program.
const SIDECAR: &str = "finp2p-sidecar";

/// Run the organizations of a folder on this machine: no cluster, the same manifests.
///
/// Reads the manifests, starts one sidecar per local organization on loopback, starts it again
/// when it dies, follows every edit, and prints what kubectl get would print.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = HELP)]
pub struct Local {
    /// Folder with one sub-folder of manifests per organization, and members/ for public records.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Where keys, stores, ports and logs are kept [default: DIR/.finp2p].
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// The sidecar program [default: finp2p-sidecar beside this program].
    #[arg(long, value_name = "PATH", env = "FINP2P_SIDECAR")]
    pub sidecar: Option<PathBuf>,
    /// How things are told.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

const HELP: &str = r#"A first use, from the folder of a checkout:
  mkdir -p banks/members && cp -r crds/samples/first-light/* banks
  for bank in bank-a bank-b bank-c; do
    finp2p-operator keygen $bank --network sandbox-finp2p --out keys
    mv keys/$bank-issuer.yaml banks/$bank/issuer.yaml
    mv keys/$bank.yaml        banks/members/$bank.yaml
  done
  finp2p-operator local banks

keygen makes three files per organization: the root key (ORG-root-key.pem stays in keys/; keep it
offline), the issuing key as a Secret, which certifies the node, and the public record, which
every member pins.

Then ask, in another terminal, as a program of bank-b:
  token=$(cat banks/.finp2p/bank-b/tokens/trading)
  api=$(jq -r '.["bank-b"].api' banks/.finp2p/endpoints.json)
  curl -s -H "Authorization: Bearer $token" "http://$api/v1/fetch" \
    --json '{"resource": "bank-a:102:ZZGREEN20318"}'
and edit banks/bank-a/policy-terms.yaml: the next request obeys.

The folder:
  DIR/bank-a/*.yaml     namespace bank-a: its PeerOrganization with node, assets, policies,
                        Secrets and ConfigMaps
  DIR/members/*.yaml    public records of the consortium, in every namespace
A file that cannot be read, and an object that is refused, keeps its last good version: what it
granted stays granted until it is mended or removed. That is told, and stands under the tables.
Two manifests with one kind and name: neither counts until one of them is gone. Of two objects
that claim the same organization or resource id, the one that was there first stays, also after a
restart. Deleting a file deletes its objects. An edit in place is taken once the file is quiet.

What is kept, per organization, in DIR/.finp2p/ORG:
  node/         keys, private store and audit log of the node      store.key    opens the store
  tokens/NAME   bearer token of each client in api.clients         sidecar.log  what it says
and beside them endpoints.json (where each node is, and whether it is ready), status.txt (the
tables) and objects.json (what counts now, and who was first, for the next start; no secrets).
Deleting an organization's manifests switches its node off and keeps all of this.

Organizations that run here dial each other on loopback, whatever their records say; announce,
service, storage and what else belongs to pods is checked and not used.

Ctrl-C (SIGINT, SIGTERM) ends the sidecars in good order; a second one at once.

Exit status: 0 after a signal, 1 when it cannot start, 2 the command was not understood.
"#;

/// Runs the command until a signal comes.
///
/// # Errors
/// [`crate::local::LocalError`], or when signals cannot be listened to.
pub async fn start(
    args: &Local,
    clock: impl Fn() -> Timestamp,
    rng: impl CryptoRng,
    stream: impl Write,
) -> anyhow::Result<()> {
    let options = Options {
        directory: args.directory.clone(),
        state: args
            .state
            .clone()
            .unwrap_or_else(|| args.directory.join(STATE)),
        sidecar: args.sidecar.clone().unwrap_or_else(beside_this_program),
        output: args.output,
    };
    let outside = Outside { clock, rng, stream };
    Ok(run(options, outside, signals()?).await?)
}

fn beside_this_program() -> PathBuf {
    std::env::current_exe()
        .ok()
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new("."))
        .join(SIDECAR)
}

/// One message per signal that asks to end.
fn signals() -> std::io::Result<mpsc::Receiver<()>> {
    let (sender, receiver) = mpsc::channel(2);
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signal = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                if sender.send(()).await.is_err() {
                    break;
                }
            }
        });
    }
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    /// A terminal of this width is the narrowest that lines to copy are made for.
    const COLUMNS: usize = 80;

    #[test]
    fn the_lines_to_copy_are_whole_lines_of_the_help() {
        let mut command = crate::args::Args::command();
        let local = command.find_subcommand_mut("local").unwrap();
        let shown = local.render_long_help().to_string();
        let (_, after) = shown.split_once("Then ask, in another terminal").unwrap();
        let lines: Vec<&str> = after.lines().skip(1).take(4).collect();
        let commands = lines.join("\n").replace("\\\n", "");
        assert_eq!(commands.lines().count(), 3, "{lines:?}");
        assert!(commands.lines().all(|line| line.starts_with("  ")));
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS));
        let quotes = |quote| lines[3].matches(quote).count();
        assert_eq!((quotes('\''), quotes('{')), (2, 1), "{lines:?}");
        assert!(after.lines().nth(5).unwrap().starts_with("and edit banks/"));
    }
}
