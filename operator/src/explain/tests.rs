//! The verdict is the access model's, and the words of the policies add up to it.

use std::collections::BTreeSet;

use finp2p_crds::access::{Operation, grants_in_force, units_of};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::content::Units;
use super::policy::Word;
use super::{Asked, explain};
use crate::diff::tests::worlds::{MOMENTS, POINTERS, at, content, declared, strings};

fn asked() -> impl Strategy<Value = Asked> {
    let who = select(vec!["o0", "o0", "o1", "o2", "us", "stranger"]);
    let what = select(vec![
        "us:102:A0",
        "us:102:A0",
        "us:102:A1",
        "us:102:A9",
        "o1:102:A0",
        "us:101:A0",
    ]);
    let purpose = select(vec![None, Some("audit"), Some("trade"), Some("other")]);
    let wanted = subsequence(POINTERS.to_vec(), 0..=2);
    (who, what, any::<bool>(), purpose, wanted, MOMENTS).prop_map(
        |(who, what, subscribe, purpose, wanted, second)| Asked {
            requester: who.to_owned(),
            resource: what.parse().unwrap(),
            operation: if subscribe {
                Operation::Subscribe
            } else {
                Operation::Fetch
            },
            purpose: purpose.map(str::to_owned),
            wanted: strings(&wanted),
            now: at(second),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_verdict_is_that_of_a_node(world in declared(), asked in asked(), loaded in 0_u8..8) {
        let facts = world.facts();
        let opened = facts.own_asset(&asked.resource).map(|a| a.payload.units.clone());
        let units = units_of(&content(), &opened.unwrap_or_default());
        let units = if loaded == 0 { Units::Missing } else { Units::Known(units) };
        let explanation = explain(&facts, asked.clone(), units.clone());
        // The two steps that a node takes, one before and one after it has opened its store.
        let question = asked.question(units.known());
        let node = grants_in_force(&facts, asked.now, &asked.requester, &asked.resource, asked.operation)
            .and_then(|in_force| in_force.disclose(question.purpose, question.wanted, question.units));
        prop_assert_eq!(&explanation.verdict, &node);
        // Every key of these worlds is valid at all of their moments.
        prop_assert_eq!(&explanation.no_session, &None);
        prop_assert_eq!(explanation.is_granted(), node.is_ok());
    }

    #[test]
    fn what_the_policies_say_adds_up_to_the_verdict(world in declared(), asked in asked()) {
        let facts = world.facts();
        let asked = Asked { wanted: Vec::new(), ..asked };
        let opened = facts.own_asset(&asked.resource).map(|a| a.payload.units.clone());
        let units = Units::Known(units_of(&content(), &opened.unwrap_or_default()));
        let explanation = explain(&facts, asked, units);
        let together: BTreeSet<String> = explanation.verdict.iter().flat_map(|a| a.units.clone()).collect();
        let mut apart = BTreeSet::new();
        for line in &explanation.policies {
            if let Word::Grants(fields) = &line.word {
                prop_assert!(!fields.is_empty());
                apart.extend(fields.iter().cloned());
            }
        }
        prop_assert_eq!(together, apart);
        let said = explanation.policies.len() + explanation.unrelated;
        prop_assert_eq!(said, facts.policies().len());
        if let Err(refusal) = &explanation.verdict && refusal.resource.is_none() {
            // Each policy that the model names as lacking something is told of. (Of an asset that
            // does not exist it names those that select everything.)
            for miss in &refusal.policies {
                let line = explanation.policies.iter().find(|line| line.name == miss.policy.name);
                prop_assert!(line.is_some_and(|line| line.word == Word::Lacks(miss.because.clone())));
            }
        }
    }
}
