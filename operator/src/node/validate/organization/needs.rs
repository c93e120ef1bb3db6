//! What the local organization needs and may lack: its own manifest, its signer, what the API server takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::condition::reasons;
use finp2p_wire::envelope;
use finp2p_wire::key::PublicKey;

use super::super::{Finding, Local, sentence};
use super::differ;
use crate::node::inputs::{Dialling, Inputs, IssuingCertificate, SignerState};
use crate::node::plan::owned::Parts;
use crate::node::plan::root::asked_sequence;

/// The local organization beside everything that was observed.
pub type Home<'h> = (&'h Inputs, &'h Local<'h>, &'h Parts);

/// What the local organization needs and may lack. Its node runs on meanwhile.
pub const NEEDS: &[fn(&Home<'_>) -> Option<Finding>] = &[
    siblings_differ,
    node_is_mistaken,
    sequence_is_mistaken,
    api_server_refuses,
    cluster_is_obstructed,
    store_key_is_missing,
    signer_is_missing,
    address_is_pending,
];

/// A part of `node` that no pod could be made of. What runs goes on as it was.
fn node_is_mistaken((_, _, parts): &Home<'_>) -> Option<Finding> {
    Some(Finding::new(reasons::INVALID, parts.mistake()?))
}

fn sequence_is_mistaken((_, local, _): &Home<'_>) -> Option<Finding> {
    let why = asked_sequence(local.object).err()?;
    Some(Finding::new(reasons::INVALID, why))
}

/// The same, when only the API server knows it.
fn api_server_refuses((inputs, ..): &Home<'_>) -> Option<Finding> {
    Some(Finding::new(reasons::INVALID, obstacles(inputs, true)?))
}

fn cluster_is_obstructed((inputs, ..): &Home<'_>) -> Option<Finding> {
    Some(Finding::new(reasons::OBSTRUCTED, obstacles(inputs, false)?))
}

fn obstacles(inputs: &Inputs, mistakes: bool) -> Option<String> {
    let all = inputs.cluster.as_ref()?.obstacles.iter();
    let those = all.filter(|obstacle| obstacle.is_mistake == mistakes);
    let texts: Vec<_> = those.map(|obstacle| obstacle.text.clone()).collect();
    (!texts.is_empty()).then(|| sentence(&texts))
}

fn store_key_is_missing((_, _, parts): &Home<'_>) -> Option<Finding> {
    let why = parts.store_key_missing()?;
    Some(Finding::new(reasons::STORE_KEY_MISSING, why))
}

fn siblings_differ((_, local, _): &Home<'_>) -> Option<Finding> {
    let record = local.record?;
    let name = record.metadata.name.as_deref().unwrap_or_default();
    differ(&local.object.spec.keys, &record.spec.keys).then(|| {
        Finding::new(
            reasons::KEYS_DIFFER,
            format!(
                "its keys are not those of PeerOrganization {name}, the public record of {}: correct whichever of the two is wrong, or leave keys out of {}",
                local.id, local.name
            ),
        )
    })
}

fn signer_is_missing((inputs, local, _): &Home<'_>) -> Option<Finding> {
    let secret = &local.node.signer.secret_name;
    let (id, network) = (&local.id, &local.node.network);
    let keygen = format!("finp2p-operator keygen {id} --network {network}");
    let certify =
        format!("finp2p-operator certify {id} --network {network} --root-key {id}-root-key.pem");
    let cure = if local.keys().is_empty() {
        format!(
            "the node gets no certificates. For a new organization run `{keygen}`, or with the root key at hand `{certify}`, and apply the Secret it writes"
        )
    } else {
        format!(
            "the node's certificates cannot be renewed. With the root key at hand run `{certify}` (or `keygen` for a new organization) and apply the Secret it writes"
        )
    };
    match &inputs.signer {
        SignerState::Missing => Some(Finding::new(
            reasons::SIGNER_MISSING,
            format!(
                "Secret {secret} is not in namespace {}: {cure}",
                inputs.namespace
            ),
        )),
        SignerState::Unusable(why) => Some(Finding::new(
            reasons::SIGNER_MISSING,
            format!("Secret {secret} cannot sign, {why}: {cure}"),
        )),
        SignerState::Usable(certificate) => {
            let why = refused_by_records(inputs, local, certificate)?;
            Some(Finding::new(
                reasons::SIGNER_MISSING,
                format!("the issuing key in Secret {secret} {why}: {cure}"),
            ))
        }
    }
}

/// Why peers would not believe an issuing key, from what our own records say.
fn refused_by_records(
    inputs: &Inputs,
    local: &Local<'_>,
    certificate: &IssuingCertificate,
) -> Option<String> {
    if certificate.not_after <= inputs.now {
        return Some(format!("ended on {}", certificate.not_after));
    }
    if local.revokes(certificate.serial) {
        return Some(format!("is revoked (serial {})", certificate.serial));
    }
    let roots: Vec<PublicKey> = local
        .keys()
        .iter()
        .filter_map(|key| PublicKey::from_spki_base64(&key.public_key).ok())
        .collect();
    if roots.is_empty() {
        return None;
    }
    let Some(root) = roots.iter().find(|root| root.kid() == certificate.root) else {
        return Some(format!(
            "was certified by a root key that is not among the keys of {}",
            local.id
        ));
    };
    let bytes = STANDARD.decode(&certificate.base64).unwrap_or_default();
    let verified = envelope::open(&bytes).is_ok_and(|e| {
        e.verify(envelope::Kind::Cert, &local.node.network, root)
            .is_ok()
    });
    (!verified).then(|| {
        format!(
            "was certified for another network than {}",
            local.node.network
        )
    })
}

fn address_is_pending((inputs, local, _): &Home<'_>) -> Option<Finding> {
    let pending = match &inputs.dialling {
        Dialling::Network { service: None } => local.node.announce.is_empty(),
        Dialling::Network { service: Some(_) } | Dialling::Loopback(_) => false,
    };
    pending.then(|| {
        Finding::new(
            reasons::ADDRESS_PENDING,
            "the Service has no address yet that peers could dial: wait for it, or write announce under node",
        )
    })
}
