//! What a buyer must prove, and what our own users are offered: demands that are looser on one
//! side than on the other.

use finp2p_crds::entry::AssetEntry;
use finp2p_crds::shared_asset::Eligibility;
use finp2p_crds::sharing_policy::{CredentialRequirement, Subject};
use serde::Serialize;

/// Seconds that a missing `maxStatusAgeSeconds` stands for.
const STATUS_AGE_DEFAULT_S: i64 = 300;

/// A demand that one side makes and the other does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "what")]
pub enum Loosened {
    /// A member of the user's information.
    Field {
        /// Its pointer.
        field: String,
    },
    /// A credential; the looser side demands none like it, or accepts more.
    Credential {
        /// Its type.
        #[serde(rename = "type")]
        type_: String,
    },
    /// A condition. Two different ones cannot be compared: each is looser than the other.
    Condition,
    /// The peer's asset is offered to our own users on the looser side.
    Offered,
}

/// What `loose` does not demand and `strict` does, of one asset that both declare.
pub fn looser(strict: &AssetEntry, loose: &AssetEntry) -> Vec<Loosened> {
    let none = Eligibility::default();
    let demanded = strict.eligibility.as_ref().unwrap_or(&none);
    let demands = loose.eligibility.as_ref().unwrap_or(&none);
    let mut found = Vec::new();
    let fields = demanded
        .fields
        .iter()
        .filter(|field| !demands.fields.contains(field));
    found.extend(fields.map(|field| Loosened::Field {
        field: field.clone(),
    }));
    let credentials = demanded.credentials.iter().filter(|wanted| {
        !demands
            .credentials
            .iter()
            .any(|offered| is_as_strict(offered, wanted))
    });
    found.extend(credentials.map(|c| Loosened::Credential {
        type_: c.type_.clone(),
    }));
    if demanded.condition.is_some() && demands.condition != demanded.condition {
        found.push(Loosened::Condition);
    }
    if loose.offer && !strict.offer {
        found.push(Loosened::Offered);
    }
    found
}

/// Whether whoever meets `this` also meets `that`. Taken apart in full, so that a new field does
/// not compile until somebody has decided which way it is stricter.
fn is_as_strict(this: &CredentialRequirement, that: &CredentialRequirement) -> bool {
    let CredentialRequirement {
        type_,
        subject,
        issuers,
        condition,
        max_status_age_seconds,
    } = this;
    let age = |seconds: Option<i64>| seconds.unwrap_or(STATUS_AGE_DEFAULT_S);
    *type_ == that.type_
        && subject.unwrap_or(Subject::User) == that.subject.unwrap_or(Subject::User)
        && issuers.iter().all(|issuer| that.issuers.contains(issuer))
        && (that.condition.is_none() || *condition == that.condition)
        && age(*max_status_age_seconds) <= age(that.max_status_age_seconds)
}

impl Loosened {
    /// What the looser side lets through, after the name of the asset.
    pub fn phrase(&self) -> String {
        match self {
            Self::Field { field } => format!("a buyer need not disclose {field}"),
            Self::Credential { type_ } => {
                format!("a buyer need not hold {type_} as it is demanded otherwise")
            }
            Self::Condition => {
                "a buyer need not meet the condition that holds otherwise".to_owned()
            }
            Self::Offered => "it is offered to our own users".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asset(eligibility: serde_json::Value) -> AssetEntry {
        AssetEntry {
            eligibility: serde_json::from_value(eligibility).unwrap(),
            ..AssetEntry::default()
        }
    }

    fn strict() -> serde_json::Value {
        json!({
            "fields": ["/name", "/lei"],
            "credentials": [{"type": "T", "issuers": ["i"], "condition": "claims.x", "maxStatusAgeSeconds": 60}],
            "condition": "user.y"
        })
    }

    /// What an edit of the strict eligibility loosens, and what it tightens.
    fn edit(edit: impl FnOnce(&mut serde_json::Value)) -> (Vec<Loosened>, Vec<Loosened>) {
        let mut edited = strict();
        edit(&mut edited);
        let (strict, edited) = (asset(strict()), asset(edited));
        (looser(&strict, &edited), looser(&edited, &strict))
    }

    #[test]
    fn every_demand_that_goes_is_loosened_and_every_one_that_comes_tightened() {
        let credential = || Loosened::Credential {
            type_: "T".to_owned(),
        };
        let field = || Loosened::Field {
            field: "/lei".to_owned(),
        };
        assert_eq!(edit(|_| {}), (vec![], vec![]));
        assert_eq!(
            edit(|e| e["fields"] = json!(["/name"])),
            (vec![field()], vec![])
        );
        assert_eq!(
            edit(|e| e["credentials"] = json!([])),
            (vec![credential()], vec![])
        );
        for (key, looser) in [
            ("issuers", json!(["i", "j"])),
            ("condition", json!(null)),
            ("maxStatusAgeSeconds", json!(600)),
            // Absent means 300.
            ("maxStatusAgeSeconds", json!(null)),
        ] {
            let found = edit(|e| e["credentials"][0][key] = looser);
            assert_eq!(found, (vec![credential()], vec![]), "{key}");
        }
        let subject = edit(|e| e["credentials"][0]["subject"] = json!("Requester"));
        assert_eq!(subject, (vec![credential()], vec![credential()]));
        // Absent means the user.
        assert_eq!(
            edit(|e| e["credentials"][0]["subject"] = json!("User")),
            (vec![], vec![])
        );
        assert_eq!(
            edit(|e| e["condition"] = json!(null)),
            (vec![Loosened::Condition], vec![])
        );
        let (gained, lost) = edit(|e| e["condition"] = json!("user.z"));
        assert_eq!(
            (gained, lost),
            (vec![Loosened::Condition], vec![Loosened::Condition])
        );
    }

    #[test]
    fn no_eligibility_demands_nothing() {
        let (all, none) = (asset(strict()), AssetEntry::default());
        assert_eq!(looser(&all, &none).len(), 4);
        assert_eq!(looser(&none, &all), []);
    }

    #[test]
    fn an_asset_of_a_peer_that_is_offered_is_there_for_more_people() {
        let offered = AssetEntry {
            offer: true,
            ..AssetEntry::default()
        };
        assert_eq!(
            looser(&AssetEntry::default(), &offered),
            [Loosened::Offered]
        );
        assert_eq!(looser(&offered, &AssetEntry::default()), []);
    }
}
