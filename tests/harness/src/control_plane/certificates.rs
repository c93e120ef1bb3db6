//! One authority for everything of a control plane: who the server is and who its clients are.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Names that clients reach the server by.
const SERVER_NAMES: [&str; 5] = [
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// A certificate and its key, as files.
#[derive(Clone, Debug)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The files in the folder `pki`.
#[derive(Clone, Debug)]
pub struct Certificates {
    pub authority: PathBuf,
    pub server: Pair,
    /// Member of `system:masters`: passes every authorization.
    pub admin: Pair,
    pub controllers: Pair,
    /// Signs the tokens of service accounts.
    pub token_key: PathBuf,
    /// What these signatures are verified with.
    pub token_public_key: PathBuf,
}

impl Certificates {
    /// Makes all of them, new.
    pub fn make(folder: &Path) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        make(folder).map_err(|error| format!("certificates: {error}"))
    }
}

fn make(folder: &Path) -> Result<Certificates, Box<dyn std::error::Error>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let authority = folder.join("ca.crt");
    fs::write(&authority, params.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(params, key);

    let leaf = |file: &str, name: &str, group: &str| -> Result<Pair, Box<dyn std::error::Error>> {
        let server = file == "server";
        let names = if server { &SERVER_NAMES[..] } else { &[] };
        let mut params =
            CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, name);
        if !group.is_empty() {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![if server {
            ExtendedKeyUsagePurpose::ServerAuth
        } else {
            ExtendedKeyUsagePurpose::ClientAuth
        }];
        let key = KeyPair::generate()?;
        let pair = Pair {
            certificate: folder.join(format!("{file}.crt")),
            key: folder.join(format!("{file}.key")),
        };
        fs::write(&pair.certificate, params.signed_by(&key, &issuer)?.pem())?;
        fs::write(&pair.key, key.serialize_pem())?;
        Ok(pair)
    };
    let tokens = KeyPair::generate()?;
    let token_key = folder.join("tokens.key");
    fs::write(&token_key, tokens.serialize_pem())?;
    let token_public_key = folder.join("tokens.pub");
    fs::write(&token_public_key, tokens.public_key_pem())?;
    Ok(Certificates {
        authority,
        server: leaf("server", "kube-apiserver", "")?,
        admin: leaf("admin", "admin", "system:masters")?,
        controllers: leaf("controllers", "system:kube-controller-manager", "")?,
        token_key,
        token_public_key,
    })
}
