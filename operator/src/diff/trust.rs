//! Whom an organization trusts beside what its policies say: root keys, issuers, its own programs.
//!
//! What is *wider* on one side than on the other is a list of [`Trust`]; gained is what the newer
//! side has wider, lost what the older one has, so the two are one function.

use std::collections::{BTreeMap, BTreeSet};

use finp2p_crds::PeerOrganization;
use finp2p_crds::entry::PeerEntry;
use finp2p_crds::peer_organization::{ApiVerb, Issuer, RootKey};
use finp2p_wire::key::PublicKey;
use jiff::Timestamp;
use serde::Serialize;

/// What a record of an organization makes its reader trust.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    keys: Vec<RootKey>,
    issuer: Option<Issuer>,
    suspended: bool,
    revoked_serials: BTreeSet<i64>,
    minimum_protocol_version: i32,
    clients: BTreeMap<String, BTreeSet<ApiVerb>>,
}

/// Something that is trusted more on one side than on the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "what")]
pub enum Trust {
    /// A root key that only one side has.
    #[serde(rename_all = "camelCase")]
    RootKey {
        /// Its name in the record.
        id: String,
        /// Its identifier, from the key itself; absent for what is no key.
        #[serde(skip_serializing_if = "Option::is_none")]
        kid: Option<String>,
        /// Whether it vouches for nothing new.
        verify_only: bool,
    },
    /// A root key whose certificates are accepted at more moments.
    #[serde(rename_all = "camelCase")]
    RootKeyWindow {
        /// Its name in the record.
        id: String,
        /// The wider window.
        wide: (Timestamp, Timestamp),
        /// The narrower window.
        narrow: (Timestamp, Timestamp),
    },
    /// A root key that may certify anew on one side, and is `verifyOnly` on the other.
    RootKeyCertifies {
        /// Its name in the record.
        id: String,
    },
    /// A root key that is revoked from an earlier moment on the other side.
    #[serde(rename_all = "camelCase")]
    RootKeyRevocation {
        /// Its name in the record.
        id: String,
        /// Since when it is revoked where it is trusted more; absent: it is not.
        #[serde(skip_serializing_if = "Option::is_none")]
        wide: Option<Timestamp>,
        /// Since when it is revoked where it is trusted less.
        narrow: Timestamp,
    },
    /// The organization is suspended on the other side.
    NotSuspended,
    /// A serial that is revoked on the other side only.
    RevokedSerial {
        /// The serial.
        serial: i64,
    },
    /// Older protocol versions are spoken.
    MinimumProtocolVersion {
        /// The lower version; 0 when none is demanded.
        wide: i32,
        /// The higher version.
        narrow: i32,
    },
    /// The organization is an issuer, by this `iss`, on one side only.
    Issuer {
        /// `iss` of its credentials.
        id: String,
    },
    /// A type of credential that is accepted of the issuer on one side only.
    IssuerType {
        /// The `vct`.
        #[serde(rename = "type")]
        type_: String,
    },
    /// A key of the issuer that only one side has.
    IssuerKey {
        /// Its `kid`.
        id: String,
    },
    /// Status lists that are fetched on one side only.
    StatusListPrefix {
        /// Where they begin.
        prefix: String,
    },
    /// A verb of the local API that one of our programs has on one side only.
    #[serde(rename_all = "camelCase")]
    ApiVerb {
        /// The ServiceAccount.
        service_account: String,
        /// What it may do.
        verb: ApiVerb,
    },
}

impl Record {
    /// The record of an object.
    pub fn of(object: &PeerOrganization) -> Self {
        let spec = &object.spec;
        let clients = spec
            .node
            .iter()
            .flat_map(|node| &node.api)
            .flat_map(|api| &api.clients);
        let mut verbs: BTreeMap<String, BTreeSet<ApiVerb>> = BTreeMap::new();
        for client in clients {
            verbs
                .entry(client.service_account.clone())
                .or_default()
                .extend(&client.allow);
        }
        Self {
            keys: spec.keys.clone(),
            issuer: spec.issuer.clone(),
            suspended: spec.suspended == Some(true),
            revoked_serials: spec.revoked_serials.iter().copied().collect(),
            minimum_protocol_version: spec.minimum_protocol_version.unwrap_or_default(),
            clients: verbs,
        }
    }

    /// The record that a node is given of a peer.
    pub fn of_entry(entry: &PeerEntry) -> Self {
        Self {
            keys: entry.keys.clone(),
            issuer: entry.issuer.clone(),
            suspended: entry.suspended,
            revoked_serials: entry.revoked_serials.iter().copied().collect(),
            minimum_protocol_version: entry.minimum_protocol_version.unwrap_or_default(),
            clients: BTreeMap::new(),
        }
    }
}

/// What `wide` trusts and `narrow` does not; `None` is no record at all.
pub fn wider(narrow: Option<&Record>, wide: Option<&Record>) -> Vec<Trust> {
    let Some(wide) = wide else { return Vec::new() };
    let nothing = Record::default();
    let known = narrow.is_some();
    let narrow = narrow.unwrap_or(&nothing);
    let mut found = Vec::new();
    if known && narrow.suspended && !wide.suspended {
        found.push(Trust::NotSuspended);
    }
    for key in &wide.keys {
        match narrow
            .keys
            .iter()
            .find(|other| other.public_key == key.public_key)
        {
            None => found.push(new_key(key)),
            Some(other) => wider_key(other, key, &mut found),
        }
    }
    let serials = narrow.revoked_serials.difference(&wide.revoked_serials);
    found.extend(
        serials
            .filter(|_| known)
            .map(|&serial| Trust::RevokedSerial { serial }),
    );
    let versions = (
        narrow.minimum_protocol_version,
        wide.minimum_protocol_version,
    );
    if versions.1 < versions.0 {
        found.push(Trust::MinimumProtocolVersion {
            wide: versions.1,
            narrow: versions.0,
        });
    }
    if let Some(issuer) = &wide.issuer {
        wider_issuer(narrow.issuer.as_ref(), issuer, &mut found);
    }
    for (account, verbs) in &wide.clients {
        let had = narrow.clients.get(account);
        let new = verbs
            .iter()
            .filter(|verb| !had.is_some_and(|had| had.contains(verb)));
        found.extend(new.map(|&verb| Trust::ApiVerb {
            service_account: account.clone(),
            verb,
        }));
    }
    found
}

fn new_key(key: &RootKey) -> Trust {
    Trust::RootKey {
        id: key.id.clone(),
        kid: PublicKey::from_spki_base64(&key.public_key)
            .ok()
            .map(|k| hex::encode(k.kid().0)),
        verify_only: key.verify_only == Some(true),
    }
}

fn wider_key(narrow: &RootKey, wide: &RootKey, found: &mut Vec<Trust>) {
    let id = wide.id.clone();
    let window = |key: &RootKey| (key.not_before.0, key.not_after.0);
    let (was, is) = (window(narrow), window(wide));
    if is.0 < was.0 || is.1 > was.1 {
        found.push(Trust::RootKeyWindow {
            id: id.clone(),
            wide: is,
            narrow: was,
        });
    }
    if narrow.verify_only == Some(true) && wide.verify_only != Some(true) {
        found.push(Trust::RootKeyCertifies { id: id.clone() });
    }
    let revoked = |key: &RootKey| key.revoked_at.as_ref().map(|time| time.0);
    if let Some(was) = revoked(narrow)
        && revoked(wide).is_none_or(|is| is > was)
    {
        found.push(Trust::RootKeyRevocation {
            id,
            wide: revoked(wide),
            narrow: was,
        });
    }
}

fn wider_issuer(narrow: Option<&Issuer>, wide: &Issuer, found: &mut Vec<Trust>) {
    // Under another name it is another issuer: everything it says is new.
    let narrow = narrow.filter(|other| other.id == wide.id);
    if narrow.is_none() {
        found.push(Trust::Issuer {
            id: wide.id.clone(),
        });
    }
    let types = wide
        .types
        .iter()
        .filter(|t| !narrow.is_some_and(|n| n.types.contains(t)));
    found.extend(types.map(|t| Trust::IssuerType { type_: t.clone() }));
    let keys = wide
        .keys
        .iter()
        .filter(|key| !narrow.is_some_and(|n| n.keys.contains(key)));
    found.extend(keys.map(|key| Trust::IssuerKey { id: key.id.clone() }));
    let covered = |prefix: &str| {
        let old = narrow.into_iter().flat_map(|n| &n.status_list_prefixes);
        old.into_iter().any(|old| prefix.starts_with(old.as_str()))
    };
    let prefixes = wide
        .status_list_prefixes
        .iter()
        .filter(|prefix| !covered(prefix));
    found.extend(prefixes.map(|prefix| Trust::StatusListPrefix {
        prefix: prefix.clone(),
    }));
}

impl Trust {
    /// What is trusted on the side that trusts more, after the name of the organization.
    pub fn phrase(&self) -> String {
        match self {
            Self::RootKey {
                id,
                kid,
                verify_only,
            } => {
                let kid = kid
                    .as_ref()
                    .map(|kid| format!(" ({kid})"))
                    .unwrap_or_default();
                let only = if *verify_only {
                    ", for what it certified before"
                } else {
                    ""
                };
                format!("root key {id}{kid}{only}")
            }
            Self::RootKeyWindow { id, wide, narrow } => format!(
                "root key {id} from {} to {} (otherwise from {} to {})",
                wide.0, wide.1, narrow.0, narrow.1
            ),
            Self::RootKeyCertifies { id } => {
                format!("root key {id} for new certificates (otherwise verifyOnly)")
            }
            Self::RootKeyRevocation {
                id,
                wide: None,
                narrow,
            } => {
                format!("root key {id} without an end by revocation (otherwise revokedAt {narrow})")
            }
            Self::RootKeyRevocation {
                id,
                wide: Some(wide),
                narrow,
            } => {
                format!("root key {id} until it is revoked at {wide} (otherwise {narrow})")
            }
            Self::NotSuspended => "not suspended".to_owned(),
            Self::RevokedSerial { serial } => format!("certificate {serial}, otherwise revoked"),
            Self::MinimumProtocolVersion { wide: 0, narrow } => {
                format!("protocol versions below {narrow}")
            }
            Self::MinimumProtocolVersion { wide, narrow } => {
                format!("protocol versions from {wide} on (otherwise from {narrow})")
            }
            Self::Issuer { id } => format!("credentials issued by {id}"),
            Self::IssuerType { type_ } => format!("credentials of type {type_}"),
            Self::IssuerKey { id } => format!("issuer key {id}"),
            Self::StatusListPrefix { prefix } => format!("status lists at {prefix}"),
            Self::ApiVerb {
                service_account,
                verb,
            } => {
                format!("local API: {service_account} may {verb:?}")
            }
        }
    }
}
