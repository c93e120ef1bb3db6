//! What the reader takes for the Primary's record, and what it lists of a catalogue.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use finp2p_sidecar::reader::{AnswerFault, Fault, RecordFault};
use finp2p_wire::cbor::{Bytes, List, Text};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{self, Body, CatalogPage, FetchAnswer, KeysAnswer};

use crate::bank::Bank;
use crate::node::soon;
use crate::primary::{BOND, Heard, Primary, SECRET, signed, terms};
use crate::reader::{Scene, scene};

/// Makes the Primary give this record for whatever is fetched.
fn give(
    scene: &Scene,
    make: impl Fn(&Primary) -> finp2p_sidecar::record::Record + Send + Sync + 'static,
) {
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        if !matches!(request.body, Body::Fetch(_)) {
            return None;
        }
        let record = make(primary);
        let mut attachments = Vec::new();
        let answer = primary.attach(&record, &record.units().names(), &mut attachments);
        let (mut response, _) = primary.response(request, *digest);
        response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
        Some(primary.reply(&response, &attachments))
    });
}

#[tokio::test]
async fn attack_30_a_record_of_another_resource_or_under_another_key_is_refused() {
    let scene = scene().await;
    give(&scene, |primary| signed(&primary.bank.record, SECRET, 1));
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::Verify(_))
    ));
    give(&scene, |primary| signed(&primary.bank.session, BOND, 1));
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::UnknownKey)
    ));
    let unknown = SigningKey::generate(&mut rand::rng());
    give(&scene, move |_| signed(&unknown, BOND, 1));
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::UnknownKey)
    ));
}

#[tokio::test]
async fn a_record_that_is_not_the_one_signed_for_is_refused() {
    let scene = scene().await;
    type Change = fn(&mut finp2p_wire::message::RecordRef, &mut Vec<Vec<u8>>);
    let changes: [Change; 4] = [
        |named, _| named.h.0[0] ^= 1,
        |named, _| named.dd.0[0] ^= 1,
        |named, _| named.a = 1,
        |_, attachments| attachments[0].push(b'x'),
    ];
    for change in changes {
        scene.primary.twist(move |primary, heard| {
            let Heard::Request { request, digest } = heard else {
                return None;
            };
            let (mut response, mut attachments) = primary.response(request, *digest);
            let message::Answer::Fetch(answers) = response.answer.clone() else {
                return None;
            };
            let Some(FetchAnswer::Record { mut record, terms }) = answers.into_iter().next() else {
                return None;
            };
            change(&mut record, &mut attachments);
            let answer = FetchAnswer::Record { record, terms };
            response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
            Some(primary.reply(&response, &attachments))
        });
        assert!(matches!(scene.fault().await, Fault::Record(_)));
    }
}

#[tokio::test]
async fn a_claim_that_our_copy_is_current_is_refused_because_we_keep_none() {
    let scene = scene().await;
    scene.primary.twist(|primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, _) = primary.response(request, *digest);
        let answer = FetchAnswer::Unchanged { terms: terms() };
        response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
        Some(primary.reply(&response, &[]))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::NotAnAnswer(AnswerFault::NoCopy)
    ));
}

#[tokio::test]
async fn a_record_under_a_past_key_is_verified_with_a_certificate_asked_for_once() {
    let scene = scene().await;
    let past = Arc::new(SigningKey::generate(&mut rand::rng()));
    let asked = Arc::new(Mutex::new(0));
    let (key, count) = (Arc::clone(&past), Arc::clone(&asked));
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, mut attachments) = primary.response(request, *digest);
        match &request.body {
            Body::Keys(keys) => {
                assert_eq!(keys.kids[..], [key.kid()]);
                *count.lock().unwrap() += 1;
                let certificates = [
                    primary.bank.issuing_certificate(),
                    primary.bank.record_certificate(key.public()),
                ];
                let certificates = certificates.map(|bytes| Bytes::new(bytes).unwrap());
                let certs = Some(List::new(certificates.to_vec()).unwrap());
                response.answer = message::Answer::Keys(KeysAnswer { certs });
            }
            _ => {
                attachments.clear();
                let record = signed(&key, BOND, 3);
                let answer = primary.attach(&record, &record.units().names(), &mut attachments);
                response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
            }
        }
        Some(primary.reply(&response, &attachments))
    });
    for _ in 0..3 {
        assert_eq!(scene.fetch(BOND).await.unwrap().version, 3);
    }
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_key_that_another_organization_certified_signs_no_record() {
    let scene = scene().await;
    let other = Bank::new("bank-a");
    let key = Arc::new(SigningKey::generate(&mut rand::rng()));
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, mut attachments) = primary.response(request, *digest);
        if matches!(request.body, Body::Keys(_)) {
            let certificates = [
                other.issuing_certificate(),
                other.record_certificate(key.public()),
            ];
            let certificates = certificates.map(|bytes| Bytes::new(bytes).unwrap());
            let certs = Some(List::new(certificates.to_vec()).unwrap());
            response.answer = message::Answer::Keys(KeysAnswer { certs });
        } else {
            attachments.clear();
            let record = signed(&key, BOND, 1);
            let answer = primary.attach(&record, &record.units().names(), &mut attachments);
            response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
        }
        Some(primary.reply(&response, &attachments))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::Key(_))
    ));
}

/// Makes the Primary list these, at most two on a page and never more than it is asked for; a page
/// of `silent` assets lists nothing and leads on.
fn list(primary: &Primary, ids: &'static [&'static str], silent: &'static [&'static str]) {
    primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let Body::Catalog(catalog) = &request.body else {
            return None;
        };
        let after = catalog.after.as_ref().map(|id| id.as_str());
        let rest = ids
            .iter()
            .filter(|id| after.is_none_or(|after| **id > after));
        let most = usize::try_from(catalog.max).unwrap().min(2);
        let page: Vec<&str> = rest.clone().copied().take(most).collect();
        let next = page.last().filter(|_| rest.count() > page.len());
        let next = next.map(|next| Text::new(*next).unwrap());
        let listed = page.iter().filter(|id| !silent.contains(id));
        let items = listed.map(|id| primary.item(id)).collect();
        let items = List::new(items).unwrap();
        let (mut response, _) = primary.response(request, *digest);
        response.answer = message::Answer::Catalog(CatalogPage { items, next });
        Some(primary.reply(&response, &[]))
    });
}

/// What the reader lists, where to go on, and how many requests it took.
async fn listed(
    scene: &Scene,
    after: Option<&str>,
    most: usize,
) -> (Vec<String>, Option<String>, usize) {
    let requests = || scene.primary.requests.load(Ordering::Relaxed);
    let before = requests();
    let part = soon("the catalogue", scene.reader.catalog("bank-a", after, most))
        .await
        .unwrap();
    let ids = part.items.iter().map(|item| item.r.to_string()).collect();
    let next = part.next.map(|next| next.to_string());
    (ids, next, requests() - before)
}

const A_TO_E: &[&str] = &[
    "bank-a:102:A",
    "bank-a:102:B",
    "bank-a:102:C",
    "bank-a:102:D",
    "bank-a:102:E",
];

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    A_TO_E[range].iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn a_catalogue_is_followed_page_by_page() {
    let scene = scene().await;
    list(&scene.primary, A_TO_E, &[]);
    assert_eq!(listed(&scene, None, 1000).await, (ids(0..5), None, 3));
}

#[tokio::test]
async fn a_part_of_a_catalogue_costs_its_own_pages_and_no_others() {
    let scene = scene().await;
    list(&scene.primary, A_TO_E, &[]);
    let c = Some("bank-a:102:C");
    let next = c.map(str::to_owned);
    assert_eq!(listed(&scene, None, 3).await, (ids(0..3), next, 2));
    assert_eq!(listed(&scene, c, 3).await, (ids(3..5), None, 1));
    assert_eq!(
        listed(&scene, Some(A_TO_E[4]), 3).await,
        (ids(5..5), None, 1)
    );
    let d = Some(A_TO_E[3].to_owned());
    assert_eq!(listed(&scene, c, 1).await, (ids(3..4), d, 1));
}

#[tokio::test]
async fn a_catalogue_goes_on_after_pages_without_an_item_but_not_for_ever() {
    let scene = scene().await;
    list(&scene.primary, A_TO_E, &A_TO_E[..4]);
    assert_eq!(listed(&scene, None, 1000).await, (ids(4..5), None, 3));
    // Without end, each page leading on: a part has a bounded number of requests.
    scene.primary.twist(|primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, _) = primary.response(request, *digest);
        let next = Text::new(format!("bank-a:102:{:05}", request.ctr)).unwrap();
        response.answer = message::Answer::Catalog(CatalogPage {
            items: List::default(),
            next: Some(next),
        });
        Some(primary.reply(&response, &[]))
    });
    let (items, next, requests) = listed(&scene, None, 1000).await;
    assert_eq!((items, requests), (ids(0..0), 16));
    assert!(next.is_some());
}

#[tokio::test]
async fn a_catalogue_with_foreign_items_or_without_end_is_refused() {
    let scene = scene().await;
    for (id, next) in [
        ("bank-c:102:A", None),
        (BOND, Some(BOND)),
        (BOND, Some("bank-a:102:A")),
    ] {
        scene.primary.twist(move |primary, heard| {
            let Heard::Request { request, digest } = heard else {
                return None;
            };
            let (mut response, _) = primary.response(request, *digest);
            let items = List::new(vec![primary.item(id)]).unwrap();
            let next = next.map(|next| Text::new(next).unwrap());
            response.answer = message::Answer::Catalog(CatalogPage { items, next });
            Some(primary.reply(&response, &[]))
        });
        let error = soon("the catalogue", scene.reader.catalog("bank-a", None, 1000))
            .await
            .unwrap_err();
        assert!(
            matches!(error.fault, Fault::NotAnAnswer(AnswerFault::Catalog)),
            "{error:?}"
        );
    }
}
