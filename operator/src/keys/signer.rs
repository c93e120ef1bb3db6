//! The issuing key at work: certificates for a node's keys, without people.
//!
//! The plan decides what is due ([`SigningRequest`]); the signer only makes it, for its own
//! organization and network, never longer than its own certificate, and never another issuing
//! key. Time and serial numbers are inputs.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_wire::cbor::{List, Text};
use finp2p_wire::certificate::{Certificate, CertificateError, KeyBytes, Role, Use};
use finp2p_wire::envelope;
use finp2p_wire::key::{Kid, PublicKey, SigningKey};
use finp2p_wire::limits::SERIAL_MAX;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::secret;
use super::signer_command::{CommandError, SignerCommand};
use crate::node::inputs::{IssuingCertificate, SignerState};
use crate::node::plan::SigningRequest;
use crate::node::plan::certificate::{life_s, role, seconds, timestamp};

/// Why a Secret cannot sign, each as the end of "it cannot be used, …".
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// A key of the Secret is missing or not text.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// Not a private key.
    #[error("its key.pem is no Ed25519 private key in PEM (PKCS #8)")]
    Key,
    /// Not a certificate.
    #[error("its certificate is not one")]
    Certificate(#[source] CertificateError),
    /// The certificate is for something else.
    #[error("its certificate is not that of an issuing key")]
    NotIssuing,
    /// The certificate is another organization's.
    #[error("its certificate is for another organization")]
    Organization,
    /// The certificate is for another key.
    #[error("its certificate is for another key than its key.pem")]
    Pair,
}

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The request is for another organization or network.
    #[error("the request is for another organization or network than the issuing key's")]
    Foreign,
    /// The request is for something that an issuing key does not certify.
    #[error("an issuing key certifies session and record keys, and nothing else")]
    Uses,
    /// The issuing key has ended or not begun.
    #[error("the issuing key is not valid at this time: run `finp2p-operator certify`")]
    NotValid,
    /// A part is out of the bounds of a certificate.
    #[error("the request does not fit a certificate")]
    Bounds,
    /// The program that signs failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The program signed with another key.
    #[error(
        "the signer command signed with another key than the one in the issuing certificate, or something else than it was given"
    )]
    OtherKey,
    /// Verifiers would refuse the certificate.
    #[error("the certificate would be refused")]
    Refused(#[source] CertificateError),
}

/// An issuing key with its certificate. `Debug` shows what is public.
pub struct Signer {
    key: Key,
    network: String,
    certificate: Certificate,
    public: IssuingCertificate,
}

/// Where the private key is.
enum Key {
    /// In the Secret.
    Here(SigningKey),
    /// Behind a program; the certificate names its public key.
    Elsewhere(SignerCommand, PublicKey),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("kid", &self.public.kid)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// The signer in a Secret's data. Whether the root that certified it is trusted is the
    /// plan's question: it knows the records.
    ///
    /// # Errors
    /// [`SignerError`]; its text is the end of a sentence for a status.
    pub fn from_secret(
        organization: &str,
        network: &str,
        data: &BTreeMap<String, Zeroizing<Vec<u8>>>,
    ) -> Result<Self, SignerError> {
        let pem = text(data, secret::KEY)?;
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| SignerError::Key)?;
        let public = key.public().clone();
        Self::new(organization, network, data, Key::Here(key), &public)
    }

    /// The signer of a Secret that holds the certificate only: its key is behind a program.
    ///
    /// # Errors
    /// [`SignerError`]; its text is the end of a sentence for a status.
    pub fn elsewhere(
        organization: &str,
        network: &str,
        data: &BTreeMap<String, Zeroizing<Vec<u8>>>,
        command: SignerCommand,
    ) -> Result<Self, SignerError> {
        let (_, certificate, _) = certificate(data)?;
        let public = PublicKey::from_bytes(certificate.key.as_bytes());
        let public = public.map_err(|_| SignerError::Key)?;
        let key = Key::Elsewhere(command, public.clone());
        Self::new(organization, network, data, key, &public)
    }

    fn new(
        organization: &str,
        network: &str,
        data: &BTreeMap<String, Zeroizing<Vec<u8>>>,
        key: Key,
        public: &PublicKey,
    ) -> Result<Self, SignerError> {
        let (base64, certificate, root) = certificate(data)?;
        if certificate.role() != Ok(Role::Issuing) {
            return Err(SignerError::NotIssuing);
        }
        if certificate.org.as_str() != organization {
            return Err(SignerError::Organization);
        }
        if certificate.key.as_bytes() != public.as_bytes() {
            return Err(SignerError::Pair);
        }
        let public = IssuingCertificate {
            base64,
            kid: public.kid(),
            root,
            serial: certificate.serial,
            not_before: timestamp(certificate.not_before),
            not_after: timestamp(certificate.not_after),
        };
        Ok(Self {
            key,
            network: network.to_owned(),
            certificate,
            public,
        })
    }

    /// What the plan may know of it.
    pub fn state(&self) -> SignerState {
        SignerState::Usable(self.public.clone())
    }

    /// Signs what is due, from `now` on. Returns the envelope in base64.
    ///
    /// # Errors
    /// [`SigningError`]; nothing was signed then.
    pub fn sign(
        &self,
        request: &SigningRequest,
        now: Timestamp,
        serial: u64,
    ) -> Result<String, SigningError> {
        if request.organization != self.certificate.org.as_str() || request.network != self.network
        {
            return Err(SigningError::Foreign);
        }
        let role = role(&request.uses).ok_or(SigningError::Uses)?;
        let now = seconds(now);
        if now > self.certificate.not_after || now < self.certificate.not_before {
            return Err(SigningError::NotValid);
        }
        let peers = (!request.peers.is_empty()).then(|| List::new(request.peers.clone()));
        let certificate = Certificate {
            org: Text::new(request.organization.clone()).map_err(|_| SigningError::Bounds)?,
            uses: List::new(request.uses.clone()).map_err(|_| SigningError::Bounds)?,
            key: KeyBytes(*request.key.as_bytes()),
            peers: peers.transpose().map_err(|_| SigningError::Bounds)?,
            serial,
            incarnation: request.incarnation,
            not_before: now,
            not_after: (now + life_s(role)).min(self.certificate.not_after),
        };
        let bytes = match &self.key {
            Key::Here(key) => certificate.issue(&self.network, key),
            Key::Elsewhere(command, public) => {
                let kid = self.public.kid;
                let input = certificate.signing_input(&self.network, kid);
                let input = input.map_err(SigningError::Refused)?;
                let signature = command.sign(&request.organization, kid, &input)?;
                if !public.verifies(&input, &signature) {
                    return Err(SigningError::OtherKey);
                }
                Ok(certificate.assemble(kid, &signature))
            }
        };
        Ok(STANDARD.encode(bytes.map_err(SigningError::Refused)?))
    }
}

fn text<'d>(
    data: &'d BTreeMap<String, Zeroizing<Vec<u8>>>,
    name: &'static str,
) -> Result<&'d str, SignerError> {
    let bytes = data.get(name).ok_or(SignerError::Missing(name))?;
    std::str::from_utf8(bytes).map_err(|_| SignerError::Missing(name))
}

/// The certificate in a Secret: its base64, what it says, and the root that signed it.
fn certificate(
    data: &BTreeMap<String, Zeroizing<Vec<u8>>>,
) -> Result<(String, Certificate, Kid), SignerError> {
    let base64 = text(data, secret::CERTIFICATE)?.trim().to_owned();
    let refused = SignerError::Certificate;
    let bytes = STANDARD
        .decode(&base64)
        .map_err(|_| refused(CertificateError::Envelope))?;
    let certificate = Certificate::decode_unverified(&bytes).map_err(refused)?;
    let root = envelope::open(&bytes)
        .map_err(|_| refused(CertificateError::Envelope))?
        .kid();
    Ok((base64, certificate, root))
}

/// A certificate for an issuing key, by the root.
///
/// # Errors
/// [`SigningError::Bounds`] and [`SigningError::Refused`].
pub fn certify(
    organization: &str,
    network: &str,
    root: &SigningKey,
    issuing: &PublicKey,
    terms: &Terms,
) -> Result<Vec<u8>, SigningError> {
    let certificate = Certificate {
        org: Text::new(organization).map_err(|_| SigningError::Bounds)?,
        uses: List::new(vec![Use::Issue]).map_err(|_| SigningError::Bounds)?,
        key: KeyBytes(*issuing.as_bytes()),
        peers: None,
        serial: terms.serial,
        incarnation: terms.incarnation,
        not_before: seconds(terms.not_before),
        not_after: seconds(terms.not_after),
    };
    certificate
        .issue(network, root)
        .map_err(SigningError::Refused)
}

/// What a root grants an issuing key.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Serial of the certificate.
    pub serial: u64,
    /// Lowest incarnation of the nodes that it may certify.
    pub incarnation: u64,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
}

/// A serial number: random, so that nobody has to keep count of them.
pub fn serial(rng: &mut impl rand::Rng) -> u64 {
    // Never 0, and never beyond what JSON tools carry unharmed.
    rng.next_u64() % SERIAL_MAX + 1
}
