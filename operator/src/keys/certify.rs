//! `certify`: a new certificate for an issuing key, once a year.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use finp2p_crds::resource_id::is_organization;
use finp2p_wire::certificate::Certificate;
use finp2p_wire::envelope;
use finp2p_wire::key::SigningKey;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rand::CryptoRng;

use super::file::{self, Existing, FileError, Readers};
use super::keygen::{ISSUING_DAYS, days_after};
use super::secret::{self, SecretError};
use super::signer::{self, SigningError, Terms};

/// Certifies an issuing key with the root key, for a year, and writes its Secret.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = HELP)]
pub struct Certify {
    /// Id of the organization on the network: bank-b.
    #[arg(value_name = "ORG")]
    pub organization: String,
    /// Consortium and environment, as in spec.node.network.
    #[arg(long, value_name = "NET")]
    pub network: String,
    /// The root key, as keygen wrote it.
    #[arg(long, value_name = "FILE")]
    pub root_key: PathBuf,
    /// The Secret with the issuing key; it is rewritten in place with the new certificate. Absent: a new issuing key.
    #[arg(long, value_name = "FILE")]
    pub issuer: Option<PathBuf>,
    /// File to write the Secret to when the issuing key is new. Absent: ORG-issuer.yaml.
    #[arg(long, value_name = "FILE", conflicts_with = "issuer")]
    pub out: Option<PathBuf>,
    /// How long the certificate is good, days.
    #[arg(long, default_value_t = ISSUING_DAYS, value_parser = clap::value_parser!(i64).range(1..=ISSUING_DAYS))]
    pub days: i64,
    /// Lowest incarnation of the nodes that the issuing key may certify; peers refuse lower ones.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub incarnation: u64,
    /// Name of the Secret, as in spec.node.signer.secretName.
    #[arg(long, value_name = "NAME", default_value = secret::DEFAULT_NAME)]
    pub secret_name: String,
    /// Namespace written into the Secret. Absent: the one it is applied to.
    #[arg(long, value_name = "NS")]
    pub namespace: Option<String>,
}

const HELP: &str = "\
Needed once a year, and when an issuing key may have been stolen: then leave out --issuer, which
makes a new key, raise spec.node.incarnation, and list the serial of the old certificate in
revokedSerials. Nodes get new certificates as soon as the Secret is applied, and no peer edits
anything. With --issuer, the root key and the network must be those that certify the key now.

Example:
  finp2p-operator certify bank-b --network sandbox-finp2p \\
    --root-key /media/offline/bank-b-root-key.pem --issuer bank-b-issuer.yaml
";

/// Why nothing was certified.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// Not an organization id or network name.
    #[error(
        "ORG and --network are 1 to 63 of a-z, 0-9 and -, as in spec.organizationId and spec.node.network"
    )]
    Names,
    /// The root key's file is not one.
    #[error("{0} holds no root key: give the file ORG-root-key.pem that keygen wrote")]
    Root(PathBuf),
    /// The issuing key's Secret cannot be used.
    #[error(
        "{path} holds no issuing key: give the Secret that keygen wrote, or leave out --issuer for a new key"
    )]
    Issuer {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// Root and issuing key are the same.
    #[error(
        "{0} holds the root key itself: a root never lies in a Secret. Leave out --issuer for a new issuing key"
    )]
    Same(PathBuf),
    /// The Secret is another organization's.
    #[error(
        "{path} holds the issuing key of {holder}, not of {asked}: nothing was changed. Give the Secret of {asked}, or certify {holder}"
    )]
    OtherOrganization {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        holder: String,
        /// Who was asked for.
        asked: String,
    },
    /// The issuing key was certified by another root key.
    #[error(
        "{issuer} was certified by another root key than {root}: nothing was changed. Give the root key of {organization}; if that was replaced, leave out --issuer for a new issuing key"
    )]
    OtherRoot {
        /// The Secret's file.
        issuer: PathBuf,
        /// The root key's file.
        root: PathBuf,
        /// The organization.
        organization: String,
    },
    /// The issuing key was certified for another network.
    #[error(
        "{path} was not certified for network {network}: nothing was changed. Give --network as in spec.node.network; for another network, leave out --issuer for a new issuing key"
    )]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// The network that was asked for.
        network: String,
    },
    /// The time of the clock is out of range.
    #[error(
        "the clock of this machine cannot be right: set it, because it decides how long keys are good"
    )]
    Clock,
    /// A file stands in the way, or cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate could not be made.
    #[error("the issuing key could not be certified")]
    Signing(#[source] SigningError),
    /// The Secret could not be written.
    #[error("the Secret could not be made")]
    Secret(#[source] SecretError),
    /// What to do next could not be printed.
    #[error("the Secret is written, but standard output is closed")]
    Output(#[source] std::io::Error),
}

/// Certifies, and tells what to do with the result.
///
/// # Errors
/// [`CertifyError`]; then nothing was written.
pub fn run(
    args: &Certify,
    now: Timestamp,
    rng: &mut impl CryptoRng,
    mut output: impl Write,
) -> Result<(), CertifyError> {
    let Certify {
        organization,
        network,
        ..
    } = args;
    if !is_organization(organization) || !is_organization(network) {
        return Err(CertifyError::Names);
    }
    let (path, existing) = match (&args.issuer, &args.out) {
        (Some(path), _) => (path.clone(), Existing::Replace),
        (None, Some(path)) => (path.clone(), Existing::Keep),
        (None, None) => (
            PathBuf::from(format!("{organization}-issuer.yaml")),
            Existing::Keep,
        ),
    };
    if existing == Existing::Keep {
        file::must_be_free(&path)?;
    }
    let root = SigningKey::from_pkcs8_pem(&file::read(&args.root_key)?)
        .map_err(|_| CertifyError::Root(args.root_key.clone()))?;
    let issuing = match &args.issuer {
        Some(path) => issuing_key(args, path, &root)?,
        None => SigningKey::generate(rng),
    };
    let terms = Terms {
        serial: signer::serial(rng),
        incarnation: args.incarnation,
        not_before: now,
        not_after: days_after(now, args.days).ok_or(CertifyError::Clock)?,
    };
    let certificate = signer::certify(organization, network, &root, issuing.public(), &terms)
        .map_err(CertifyError::Signing)?;
    let secret = secret::manifest(
        &args.secret_name,
        args.namespace.as_deref(),
        &issuing,
        &certificate,
    )
    .map_err(CertifyError::Secret)?;
    // A link says where the Secret is kept, an encrypted volume perhaps: in its place, the new one would
    // lie beside that, and the old one stay.
    let kept = path.canonicalize().ok();
    let place = kept.filter(|_| existing == Existing::Replace);
    let place = place.as_ref().unwrap_or(&path);
    file::write(place, &secret, Readers::Owner, existing)?;
    let text = format!(
        "{path}\n  The issuing key of {organization}, certified until {day} (serial {serial}): kubectl apply -n NAMESPACE -f {path}\n  Put the root key away again.\n",
        path = path.display(),
        day = terms.not_after.to_zoned(TimeZone::UTC).date(),
        serial = terms.serial,
    );
    output
        .write_all(text.as_bytes())
        .map_err(CertifyError::Output)
}

/// The issuing key in a Secret that is to be rewritten. What certifies it now tells whether it is
/// the one that is meant: a good Secret is never replaced by one that peers would not believe.
fn issuing_key(args: &Certify, path: &Path, root: &SigningKey) -> Result<SigningKey, CertifyError> {
    let text = file::read(path)?;
    let key = secret::key_in(&text).map_err(|source| CertifyError::Issuer {
        path: path.to_owned(),
        source,
    })?;
    if key.kid() == root.kid() {
        return Err(CertifyError::Same(path.to_owned()));
    }
    // One that cannot be read certifies nothing, and nothing is lost with it.
    let Some(bytes) = secret::certificate_in(&text) else {
        return Ok(key);
    };
    let certificate = Certificate::decode_unverified(&bytes);
    let (Ok(certificate), Ok(envelope)) = (certificate, envelope::open(&bytes)) else {
        return Ok(key);
    };
    if certificate.org.as_str() != args.organization {
        return Err(CertifyError::OtherOrganization {
            path: path.to_owned(),
            holder: certificate.org.as_str().to_owned(),
            asked: args.organization.clone(),
        });
    }
    if envelope.kid() != root.kid() {
        return Err(CertifyError::OtherRoot {
            issuer: path.to_owned(),
            root: args.root_key.clone(),
            organization: args.organization.clone(),
        });
    }
    let verified = envelope.verify(envelope::Kind::Cert, &args.network, root.public());
    if verified.is_err() {
        return Err(CertifyError::OtherNetwork {
            path: path.to_owned(),
            network: args.network.clone(),
        });
    }
    Ok(key)
}
