//! `keygen`: the keys of a new organization.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use finp2p_crds::peer_organization::RootKey;
use finp2p_crds::resource_id::is_organization;
use finp2p_wire::key::SigningKey;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rand::CryptoRng;

use super::export::{self, ExportError};
use super::file::{self, Existing, FileError, Readers};
use super::secret::{self, SecretError};
use super::signer::{self, SigningError, Terms};
use super::{day_of, years_after};

/// Makes the keys of a new organization. Nothing is overwritten, and no key is printed.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = HELP)]
pub struct Keygen {
    /// Id of the organization on the network, the first part of its resource ids: bank-b.
    #[arg(value_name = "ORG")]
    pub organization: String,
    /// Consortium and environment, the same at every member: sandbox-finp2p. It is in every signature.
    #[arg(long, value_name = "NET")]
    pub network: String,
    /// Folder to write to.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    /// How long the root key is good, years.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(i64).range(1..=10))]
    pub years: i64,
    /// Where peers dial the organization's node, as a multiaddr. Repeatable; may be added to the record later.
    #[arg(long, value_name = "MULTIADDR")]
    pub address: Vec<String>,
    /// Name of the Secret, as in spec.node.signer.secretName.
    #[arg(long, value_name = "NAME", default_value = secret::DEFAULT_NAME)]
    pub secret_name: String,
    /// Namespace written into the Secret. Absent: the one it is applied to.
    #[arg(long, value_name = "NS")]
    pub namespace: Option<String>,
}

const HELP: &str = "\
Writes three files:
  ORG-root-key.pem   the root key. Whoever has it is the organization. Keep it offline; it is
                     needed once a year, by certify.
  ORG-issuer.yaml    a Secret with the issuing key, certified for a year: apply it to the
                     namespace of the node. It certifies the node's keys without people.
  ORG.yaml           the public record: give it to the consortium, or to each peer. It holds
                     nothing secret.
Nothing is overwritten, and no key is printed.

Example:
  finp2p-operator keygen bank-b --network sandbox-finp2p \\
    --address /dns4/finp2p.bank-b.example/tcp/4001
";

/// Why no keys were made.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    /// Not an organization id.
    #[error(
        "ORG is no organization id: 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
    )]
    Organization,
    /// Not a network name.
    #[error(
        "--network is no network name: 1 to 63 of a-z, 0-9 and -, as in spec.node.network of every member"
    )]
    Network,
    /// An address no peer could dial.
    #[error("--address is no multiaddr that peers can dial: /dns4/finp2p.bank-b.example/tcp/4001")]
    Address,
    /// The time of the clock is out of range.
    #[error(
        "the clock of this machine cannot be right: set it, because it decides how long keys are good"
    )]
    Clock,
    /// A file stands in the way or cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The issuing key could not be certified.
    #[error("the issuing key could not be certified")]
    Signing(#[source] SigningError),
    /// The Secret could not be written.
    #[error("the Secret could not be made")]
    Secret(#[source] SecretError),
    /// The root key could not be written.
    #[error("the root key could not be encoded")]
    Root(#[source] finp2p_wire::key::KeyError),
    /// The public record could not be written.
    #[error("the public record could not be made")]
    Record(#[source] ExportError),
    /// What to do next could not be printed.
    #[error("the keys are made, but standard output is closed")]
    Output(#[source] std::io::Error),
}

/// Days that an issuing key is certified for: a year.
pub const ISSUING_DAYS: i64 = 365;

/// The three files.
struct Paths {
    root: PathBuf,
    secret: PathBuf,
    record: PathBuf,
}

impl Paths {
    fn new(out: &Path, organization: &str) -> Self {
        Self {
            root: out.join(format!("{organization}-root-key.pem")),
            secret: out.join(format!("{organization}-issuer.yaml")),
            record: out.join(format!("{organization}.yaml")),
        }
    }
}

/// Makes the keys, and tells what to do with them.
///
/// # Errors
/// [`KeygenError`]. Files are written only when all of them can be.
pub fn run(
    args: &Keygen,
    now: Timestamp,
    rng: &mut impl CryptoRng,
    mut output: impl Write,
) -> Result<(), KeygenError> {
    check(args)?;
    let paths = Paths::new(&args.out, &args.organization);
    for path in [&paths.root, &paths.secret, &paths.record] {
        file::must_be_free(path)?;
    }
    let not_before = day_of(now);
    let not_after = years_after(not_before, args.years).ok_or(KeygenError::Clock)?;
    let (root, issuing) = (SigningKey::generate(rng), SigningKey::generate(rng));
    let terms = Terms {
        serial: signer::serial(rng),
        incarnation: 1,
        not_before: now,
        not_after: days_after(now, ISSUING_DAYS)
            .ok_or(KeygenError::Clock)?
            .min(not_after),
    };
    let certificate = signer::certify(
        &args.organization,
        &args.network,
        &root,
        issuing.public(),
        &terms,
    )
    .map_err(KeygenError::Signing)?;
    let secret = secret::manifest(
        &args.secret_name,
        args.namespace.as_deref(),
        &issuing,
        &certificate,
    )
    .map_err(KeygenError::Secret)?;
    let key = RootKey {
        id: format!("{}-a", now.to_zoned(TimeZone::UTC).year()),
        public_key: root.public().to_spki_base64(),
        not_before: Time(not_before),
        not_after: Time(not_after),
        verify_only: None,
        revoked_at: None,
    };
    let record = export::record(&args.organization, vec![key], args.address.clone(), None)
        .map_err(KeygenError::Record)?;
    let pem = root.to_pkcs8_pem().map_err(KeygenError::Root)?;

    file::folder(&args.out)?;
    file::write(&paths.root, &pem, Readers::Owner, Existing::Keep)?;
    file::write(&paths.secret, &secret, Readers::Owner, Existing::Keep)?;
    file::write(&paths.record, &record, Readers::Everybody, Existing::Keep)?;
    output
        .write_all(next_steps(args, &paths, not_after, terms.not_after).as_bytes())
        .map_err(KeygenError::Output)
}

fn check(args: &Keygen) -> Result<(), KeygenError> {
    if !is_organization(&args.organization) {
        return Err(KeygenError::Organization);
    }
    if !is_organization(&args.network) {
        return Err(KeygenError::Network);
    }
    let dialled = |address: &String| {
        let parts: Vec<&str> = address.split('/').collect();
        let [
            root,
            "ip4" | "ip6" | "dns" | "dns4" | "dns6",
            host,
            "tcp",
            port,
        ] = parts.as_slice()
        else {
            return false;
        };
        root.is_empty() && !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if args.address.iter().all(dialled) {
        Ok(())
    } else {
        Err(KeygenError::Address)
    }
}

/// A number of days after a moment; `None` beyond the calendar.
pub fn days_after(moment: Timestamp, days: i64) -> Option<Timestamp> {
    const DAY_S: i64 = 86_400;
    Timestamp::from_second(moment.as_second().checked_add(days.checked_mul(DAY_S)?)?).ok()
}

fn next_steps(
    args: &Keygen,
    paths: &Paths,
    root_ends: Timestamp,
    issuer_ends: Timestamp,
) -> String {
    let Keygen {
        organization,
        network,
        secret_name,
        ..
    } = args;
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date().to_string();
    format!(
        "\
{root}
  The root key of {organization}, good until {root_day}. Take it off this machine now and keep it
  offline, twice: whoever has it is {organization}, and without it the keys cannot be renewed.
{secret}
  The issuing key, good until {issuer_day}: kubectl apply -n NAMESPACE -f {secret}
  Before that day run, with the root key at hand:
  finp2p-operator certify {organization} --network {network} --root-key ROOT-KEY --issuer {secret}
{record}
  The public record: give it to the consortium, or to each peer. Addresses may be added to it.

The node of {organization} is declared by this, in its namespace:

apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {{name: local}}
spec:
  organizationId: {organization}
  node:
    network: {network}
    signer: {{secretName: {secret_name}}}
    api:
      clients:
      - {{serviceAccount: operations, allow: [Administer]}}   # on call: must be here before a backup is restored
",
        root = paths.root.display(),
        secret = paths.secret.display(),
        record = paths.record.display(),
        root_day = day(root_ends),
        issuer_day = day(issuer_ends),
    )
}
