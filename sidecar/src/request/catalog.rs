//! What is shared with the organization that asks: what the access model lists, a page at a time.

use finp2p_crds::ResourceId;
use finp2p_crds::access::{self, Access, Grant, Listing, Operation, grants_in_force};
use finp2p_wire::cbor::{self, List};
use finp2p_wire::digest::Digest;
use finp2p_wire::limits::{
    CATALOG_PAGE_MAX, CBOR_ITEMS_MAX, RESPONSE_FRAME_MAX_BYTES, RESPONSE_OVERHEAD_BYTES,
    RESPONSE_OVERHEAD_ITEMS,
};
use finp2p_wire::message::{Answer, Catalog, CatalogItem, CatalogPage, Pointer, Resource};

use super::decision::{Asked, Decided, Disclosure, both};
use super::refusal::{Check, Refusal};
use super::trail::Finding;

/// Tokens that a page costs beyond the request's own: a page walks the assets and reads a record
/// for each that it lists. Ten thousand assets in 40 pages are a little more than a second's worth.
const PAGE_TOKENS: usize = 31;

/// Listed assets that are looked at for one page. Those without a record give no item, so without
/// a bound a page of nothing could read the whole store.
const LOOKED_AT_MAX: usize = 2 * CATALOG_PAGE_MAX;

/// Decides a page.
pub(super) fn decide(asked: &Asked<'_>, wanted: &Catalog) -> Decided {
    let after = match wanted
        .after
        .as_deref()
        .map(str::parse::<ResourceId>)
        .transpose()
    {
        Ok(after) => after,
        Err(_) => return Decided::refused(Check::Resource.refuse("not a resource id")),
    };
    match page(asked, wanted, after.as_ref()) {
        Ok(page) => Decided {
            answer: Answer::Catalog(page),
            attachments: Vec::new(),
            findings: vec![Finding::granted()],
            misses: 0,
            tokens: PAGE_TOKENS,
        },
        Err(refusal) => Decided {
            tokens: PAGE_TOKENS,
            ..Decided::refused(refusal)
        },
    }
}

fn page(
    asked: &Asked<'_>,
    wanted: &Catalog,
    after: Option<&ResourceId>,
) -> Result<CatalogPage, Refusal> {
    let most =
        usize::try_from(wanted.max).map_or(CATALOG_PAGE_MAX, |max| max.min(CATALOG_PAGE_MAX));
    let mut room = Room {
        bytes: RESPONSE_FRAME_MAX_BYTES - RESPONSE_OVERHEAD_BYTES,
        items: CBOR_ITEMS_MAX - RESPONSE_OVERHEAD_ITEMS,
    };
    let mut items: Vec<CatalogItem> = Vec::new();
    let (mut next, mut last) = (None, None);
    let listings = access::catalog(&asked.snapshot.facts, asked.now, asked.organization, after);
    // What only one of two configurations lists is not looked at, and not named as a place to go on.
    let listings = listings.filter_map(|listing| Some((restrained(asked, &listing)?, listing)));
    for (looked_at, (other, listing)) in listings.enumerate() {
        if looked_at == LOOKED_AT_MAX {
            next = last;
            break;
        }
        let resource = Resource::new(listing.resource.to_string()).ok();
        if let Some(item) = item(asked, &listing, other.as_ref())? {
            let left = room.without(&item);
            let Some(left) = left.filter(|_| items.len() < most) else {
                next = last;
                break;
            };
            room = left;
            items.push(item);
        }
        last = resource.or(last);
    }
    let items = List::new(items).map_err(|_| Check::Store.refuse("too many items"))?;
    Ok(CatalogPage { items, next })
}

/// What a reader takes besides what is there already: bytes of the answer, and data items, which
/// it counts before it decodes.
struct Room {
    bytes: usize,
    items: usize,
}

impl Room {
    /// What is left after one more resource; `None` when it does not fit.
    fn without(&self, item: &CatalogItem) -> Option<Self> {
        let encoded = cbor::encode(item);
        let inside = cbor::gate(&encoded).ok()?.items;
        Some(Self {
            bytes: self.bytes.checked_sub(encoded.len())?,
            items: self.items.checked_sub(inside)?,
        })
    }
}

/// One resource of the catalogue; `None` when nothing of it can be had.
fn item(
    asked: &Asked<'_>,
    listing: &Listing<'_>,
    other: Option<&Listing<'_>>,
) -> Result<Option<CatalogItem>, Refusal> {
    let stored = asked
        .records
        .current(listing.resource)
        .map_err(|_| Check::Store.refuse("the store does not give a record"))?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let units = stored.record.units().names();
    let Some(disclosure) = offered(listing, other, &units) else {
        return Ok(None);
    };
    let Ok(resource) = Resource::new(listing.resource.to_string()) else {
        return Ok(None);
    };
    let named = disclosure
        .units
        .iter()
        .map(|unit| Pointer::new(unit.as_str()));
    // Every unit of a record has a name that a message can hold.
    let named: Result<Vec<_>, _> = named.collect();
    let Ok(named) = named.and_then(List::new) else {
        return Ok(None);
    };
    Ok(Some(CatalogItem {
        r: resource,
        h: Digest(stored.record.hash()),
        ver: stored.version,
        units: named,
        modes: disclosure.terms.modes.clone(),
        purposes: disclosure.terms.purposes.clone(),
        // No policy that asks for credentials grants anything yet.
        needs: None,
        terms: disclosure.terms,
    }))
}

/// After a roll-back, the same listing by the other configuration: `Some(None)` when there is no
/// other, `None` when the other does not list it.
fn restrained<'f>(asked: &Asked<'f>, listing: &Listing<'f>) -> Option<Option<Listing<'f>>> {
    let Some(facts) = asked.snapshot.restrained_by.as_deref() else {
        return Some(None);
    };
    let resource = listing.resource;
    let asset = facts.own_asset(resource).ok()?;
    let in_force = grants_in_force(
        facts,
        asked.now,
        asked.organization,
        resource,
        Operation::Fetch,
    )
    .ok()?;
    let advertised = in_force
        .grants()
        .iter()
        .filter(|grant| grant.is_advertised());
    let grants: Vec<Grant> = advertised.cloned().collect();
    (!grants.is_empty()).then_some(Some(Listing {
        resource,
        asset,
        grants,
    }))
}

fn offered(
    listing: &Listing<'_>,
    restrained: Option<&Listing<'_>>,
    units: &[String],
) -> Option<Disclosure> {
    let access = |listing: &Listing<'_>| {
        let (units, terms) = listing.offer(units)?;
        Some(Access {
            grants: listing.grants.clone(),
            units,
            terms,
        })
    };
    let offered = access(listing)?;
    let offered = match restrained {
        None => offered,
        Some(restrained) => both(offered, &access(restrained)?)?,
    };
    Disclosure::of(offered)
}
