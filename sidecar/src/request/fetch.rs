//! Records asked for: rows 9 to 14, for each item by itself.

use finp2p_crds::ResourceId;
use finp2p_crds::access::Wanted;
use finp2p_wire::digest::Digest;
use finp2p_wire::limits::RESPONSE_FRAME_MAX_BYTES;
use finp2p_wire::message::{Answer, Fetch, FetchItem, Prepared, fit};
use sha2::{Digest as _, Sha256};

use super::decision::{Asked, Decided, Denied, Disclosure, granted};
use super::records::StoredRecord;
use super::refusal::Check;
use super::trail::Finding;

/// Decides every item. One that is refused leaves the others alone.
pub(super) fn decide(asked: &Asked<'_>, items: &Fetch) -> Decided {
    let (prepared, mut findings): (Vec<_>, Vec<_>) = prepared(asked, items).into_iter().unzip();
    let fitted = fit(prepared);
    for index in fitted.left_out {
        if let Some(finding) = findings.get_mut(index) {
            *finding = finding.too_large();
        }
    }
    let miss = Check::Grant.code().number();
    let misses = findings
        .iter()
        .filter(|finding| finding.code == miss)
        .count();
    let Ok(answers) = fitted.answers.try_into() else {
        return Decided::refused(Check::Store.refuse("another number of answers than of items"));
    };
    Decided {
        answer: Answer::Fetch(answers),
        attachments: fitted.attachments,
        findings,
        misses,
        tokens: 0,
    }
}

/// The items, decided. Together they hold no more than a response: of what cannot fit nothing is
/// kept until the rest is decided, or 64 large records would be in memory for one request.
pub(super) fn prepared(asked: &Asked<'_>, items: &Fetch) -> Vec<(Prepared, Finding)> {
    let mut room = RESPONSE_FRAME_MAX_BYTES;
    items
        .iter()
        .map(|item| one(asked, item, &mut room))
        .collect()
}

fn one(asked: &Asked<'_>, item: &FetchItem, room: &mut usize) -> (Prepared, Finding) {
    let (stored, disclosure) = match disclosed(asked, item) {
        Ok(disclosed) => disclosed,
        Err(denied) => return (Prepared::Refused(denied.told.told()), refused(item, denied)),
    };
    let finding = found(item, &stored, &disclosure);
    let prepared = prepare(item, &stored, disclosure);
    let size = match &prepared {
        Prepared::Record { attachment, .. } => attachment.len(),
        _ => 0,
    };
    let Some(left) = room.checked_sub(size) else {
        return (Prepared::Refused(Check::Fit.told()), finding.too_large());
    };
    *room = left;
    (prepared, finding)
}

/// The rows, one item long. The store is not touched before row 10 has passed.
fn disclosed(asked: &Asked<'_>, item: &FetchItem) -> Result<(StoredRecord, Disclosure), Denied> {
    let resource = well_formed(item)?; // Row 9.
    primary(asked, &resource)?; // Row 9.
    let granted = granted(asked, &resource)?; // Row 10.
    granted.purpose(asked.purpose)?; // Row 11.
    let stored = read(asked, &resource)?; // Row 14.
    let units = stored.as_ref().map(|stored| stored.record.units().names());
    let pointers: Option<Vec<String>> = item
        .units
        .as_ref()
        .map(|pointers| pointers.iter().map(|pointer| pointer.to_string()).collect());
    let wanted = pointers
        .as_deref()
        .map_or(Wanted::Everything, Wanted::Units);
    let disclosure = granted.disclose(asked.purpose, wanted, units.as_deref())?; // 11 and 13.
    stored
        .map(|stored| (stored, disclosure))
        .ok_or_else(|| Denied::plain(Check::Record.refuse("no content yet")))
}

/// Row 9.
fn well_formed(item: &FetchItem) -> Result<ResourceId, Denied> {
    item.r
        .parse()
        .map_err(|_| Denied::plain(Check::Resource.refuse("not a resource id")))
}

/// Row 9.
fn primary(asked: &Asked<'_>, resource: &ResourceId) -> Result<(), Denied> {
    if resource.organization() == asked.snapshot.facts.organization() {
        Ok(())
    } else {
        Err(Denied::plain(
            Check::Primary.refuse("another organization's"),
        ))
    }
}

/// Row 14.
fn read(asked: &Asked<'_>, resource: &ResourceId) -> Result<Option<StoredRecord>, Denied> {
    asked
        .records
        .current(resource)
        .map_err(|_| Denied::plain(Check::Store.refuse("the store does not give the record")))
}

fn prepare(item: &FetchItem, stored: &StoredRecord, disclosure: Disclosure) -> Prepared {
    let (h, terms) = (Digest(stored.record.hash()), disclosure.terms);
    if item.have == Some(h) {
        return Prepared::Unchanged { terms };
    }
    let presented = stored.record.disclose(&disclosure.units);
    Prepared::Record {
        h,
        dd: Digest(presented.disclosures_digest()),
        attachment: presented.as_str().as_bytes().to_vec(),
        terms,
    }
}

fn found(item: &FetchItem, stored: &StoredRecord, disclosure: &Disclosure) -> Finding {
    let mut names = Sha256::new();
    for unit in &disclosure.units {
        names.update((unit.len() as u64).to_be_bytes());
        names.update(unit.as_bytes());
    }
    Finding {
        resource: Some(item.r.to_string()),
        version: Some(stored.version),
        record: Some(stored.record.hash()),
        units: Some(names.finalize().into()),
        policies: disclosure.policies.clone(),
        ..Finding::granted()
    }
}

fn refused(item: &FetchItem, denied: Denied) -> Finding {
    Finding {
        code: denied.told.code().number(),
        slug: denied.check.slug(),
        detail: Some(denied.detail.into_owned()),
        resource: Some(item.r.to_string()),
        policies: denied.policies,
        ..Finding::default()
    }
}

impl Finding {
    /// The same item, which was granted and did not fit: nothing of it was disclosed.
    fn too_large(&self) -> Self {
        Self {
            code: Check::Fit.code().number(),
            slug: Check::Fit.slug(),
            version: None,
            record: None,
            units: None,
            ..self.clone()
        }
    }
}
