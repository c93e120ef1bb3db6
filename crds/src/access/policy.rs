//! What one policy says by itself: whether it is whole, enforced and in its window, and
//! what it selects.

use jiff::Timestamp;

use super::refusal::Shortfall;
use crate::label::Labels;
use crate::sharing_policy::{Selection, SharingPolicySpec};

/// A policy field that narrows access or adds an obligation and that this version does not
/// enforce. A policy that sets one grants nothing at all.
#[derive(Clone, Copy, Debug)]
pub struct NotYetEnforced {
    /// Name of the field under `spec`.
    pub field: &'static str,
    /// What would be ignored if such a policy granted anything.
    pub because: &'static str,
    set: fn(&SharingPolicySpec) -> bool,
}

/// Every such field. Empty when version 0.1.0 is complete.
pub const NOT_YET_ENFORCED: &[NotYetEnforced] = &[
    NotYetEnforced {
        field: "users",
        because: "users are not stored yet, so nobody can be selected",
        set: |spec| spec.users.is_some(),
    },
    NotYetEnforced {
        field: "credentials",
        because: "a reader without them would be let in",
        set: |spec| spec.credentials.is_some(),
    },
    NotYetEnforced {
        field: "consent",
        because: "a user who did not agree would be shown",
        set: |spec| spec.consent.is_some(),
    },
    NotYetEnforced {
        field: "retentionDays",
        because: "readers would not be bound to delete",
        set: |spec| spec.retention_days.is_some(),
    },
    NotYetEnforced {
        field: "leaseHours",
        because: "replicas would not end without word from us",
        set: |spec| spec.lease_hours.is_some(),
    },
    NotYetEnforced {
        field: "minimumRecipients",
        because: "publishing would succeed with too few recipients",
        set: |spec| spec.minimum_recipients.is_some(),
    },
];

/// The fields of a policy that are not enforced yet, as written under `spec`.
pub fn not_yet_enforced(spec: &SharingPolicySpec) -> Vec<&'static str> {
    NOT_YET_ENFORCED
        .iter()
        .filter(|entry| (entry.set)(spec))
        .map(|entry| entry.field)
        .collect()
}

/// Whether a policy grants at `now` whatever it selects.
///
/// # Errors
/// [`Shortfall::Malformed`], [`Shortfall::NotYetSupported`], [`Shortfall::NotYetValid`] or
/// [`Shortfall::Expired`], the first that applies.
pub fn standing(spec: &SharingPolicySpec, now: Timestamp) -> Result<(), Shortfall> {
    if !is_whole(spec) {
        return Err(Shortfall::Malformed);
    }
    let fields = not_yet_enforced(spec);
    if !fields.is_empty() {
        return Err(Shortfall::NotYetSupported(fields));
    }
    if spec.not_before.as_ref().is_some_and(|begin| now < begin.0) {
        return Err(Shortfall::NotYetValid);
    }
    if spec.not_after.as_ref().is_some_and(|end| now >= end.0) {
        return Err(Shortfall::Expired);
    }
    Ok(())
}

/// The schema's "exactly one of" rules again: enforcement does not lean on who validated.
/// The spec is taken apart in full, so that a new field does not compile until somebody has
/// decided whether it is enforced, only carried, or belongs in [`NOT_YET_ENFORCED`].
fn is_whole(spec: &SharingPolicySpec) -> bool {
    let SharingPolicySpec {
        assets,
        users,
        peers,
        fields,
        all_fields,
        // Enforced elsewhere in this module tree.
        mode: _,
        purposes: _,
        not_before: _,
        not_after: _,
        // Carried: what is listed and told, and what the reader may do.
        advertise: _,
        redistribute: _,
        // In NOT_YET_ENFORCED.
        credentials: _,
        consent: _,
        retention_days: _,
        lease_hours: _,
        minimum_recipients: _,
    } = spec;
    let resources = match (assets, users) {
        (Some(assets), None) => selection_is_whole(assets),
        (None, Some(_)) => true,
        _ => false,
    };
    let opened = matches!((fields, all_fields), (Some(_), None) | (None, Some(true)));
    resources && opened && selection_is_whole(peers)
}

fn selection_is_whole(selection: &Selection) -> bool {
    matches!(
        (&selection.names, &selection.selector, selection.all),
        (Some(_), None, None) | (None, Some(_), None) | (None, None, Some(true))
    )
}

/// Whether a selection picks the object with this name and these labels. A selection that
/// is not whole, an empty selector and an unknown name pick nothing.
pub fn selects(selection: &Selection, name: &str, labels: &Labels) -> bool {
    match (&selection.names, &selection.selector, selection.all) {
        (Some(names), None, None) => names.iter().any(|n| n == name),
        (None, Some(selector), None) => selector.matches(labels),
        (None, None, Some(all)) => all,
        _ => false,
    }
}
