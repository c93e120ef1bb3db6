//! Contents that are among the manifests: those that no node takes, and policies that open nothing of
//! them.

use std::collections::BTreeMap;

use finp2p_crds::access::{Facts, fields_unknown, selects_asset, why_unknown};
use finp2p_crds::condition::reasons;

use super::plan::{field, written};
use crate::explain::content::{Unread, of_files};
use crate::finding::Finding;
use crate::manifest::Namespace;

/// What the contents of a namespace show; `facts` is what its node would decide by.
pub fn check(namespace: &Namespace, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A policy is told of one asset: what mends it mends the others, or they are told next.
    let mut policies: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for asset in facts.assets() {
        let (content, opened) = (&asset.payload.content, &asset.payload.units);
        let units = match of_files(namespace, content.as_ref(), opened) {
            Ok(units) => units,
            Err(Unread::Invalid(because)) => {
                findings.extend(invalid(namespace, &asset.name, &because));
                continue;
            }
            // Told by the plan, or not known here.
            Err(Unread::Refused(_) | Unread::Elsewhere(_)) => continue,
        };
        let selecting = facts.policies().iter();
        for policy in selecting.filter(|policy| selects_asset(&policy.payload.spec, asset)) {
            let fields = fields_unknown(&policy.payload.spec, &units);
            if !fields.is_empty() {
                let message = format!(
                    "{} opens nothing on SharedAsset {}",
                    fields.join(", "),
                    asset.name
                );
                let told = (message, why_unknown(&fields, &units));
                policies.entry(&policy.name).or_insert(told);
            }
        }
    }
    findings.extend(policies.into_iter().filter_map(|(name, (message, why))| {
        let object = written(namespace, "SharingPolicy", name)?;
        let finding = object.finding("/spec/fields", reasons::FIELD_UNKNOWN, message, &why);
        Some(finding.warn())
    }));
    findings
}

fn invalid(namespace: &Namespace, asset: &str, because: &str) -> Option<Finding> {
    let object = written(namespace, "SharedAsset", asset)?;
    // Where a missing key is told, too.
    let field = field(object, reasons::CONTENT_NOT_FOUND, "");
    Some(object.finding(
        &field,
        reasons::CONTENT_INVALID,
        because,
        "mend the content; the version before stays shared meanwhile, where there was one",
    ))
}
