//! SharingPolicy: what is shared with whom, under which conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::label::LabelSelector;
use crate::schema;

/// What is shared with whom, under which conditions. Policies only ever add access, and
/// nothing that is left out widens it: what is meant is written.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "sharing.finp2p.io",
    version = "v1alpha1",
    kind = "SharingPolicy",
    plural = "sharingpolicies",
    shortname = "spolicy",
    category = "finp2p",
    namespaced,
    status = "SharingPolicyStatus",
    derive = "PartialEq",
    doc = "What is shared with whom, under which conditions. Policies only ever add access, and nothing that is left out widens it.",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "Peers",
        type_ = "string",
        json_path = ".status.peers",
        description = "Peers it names or selects"
    ),
    printcolumn(
        name = "Matches",
        type_ = "string",
        json_path = ".status.matches",
        description = "What it shares now"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether it is in force in our node"
    ),
    printcolumn(
        name = "Demands",
        type_ = "string",
        json_path = ".status.demands",
        description = "What a reader must bring"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(
    validation = Rule::new("has(self.assets) != has(self.users)")
        .message("a policy shares either assets or users: write exactly one of the two"),
    validation = Rule::new("has(self.fields) != has(self.allFields)")
        .message("say which fields: write exactly one of fields (a list of JSON Pointers) or allFields: true"),
    validation = Rule::new("!has(self.users) || (has(self.purposes) && size(self.purposes) > 0)")
        .message("user information is shared for a purpose: list at least one in purposes")
        .field_path(".purposes"),
    validation = Rule::new("!has(self.notBefore) || !has(self.notAfter) || self.notBefore < self.notAfter")
        .message("notAfter must be later than notBefore")
        .field_path(".notAfter"),
    validation = Rule::new("!has(self.consent) || has(self.users)")
        .message("consent is given by users: write it on a policy with users")
        .field_path(".consent"),
    validation = Rule::new("!has(self.credentials) || has(self.users) || self.credentials.all(c, !has(c.subject) || c.subject == 'Requester')")
        .message("an asset has no user to prove anything: credentials of a policy with assets have subject Requester")
        .field_path(".credentials"),
    validation = Rule::new("!has(self.minimumRecipients) || self.mode == 'Push'")
        .message("minimumRecipients counts acknowledged deliveries: it needs mode: Push")
        .field_path(".minimumRecipients"),
    validation = Rule::new("!has(self.leaseHours) || self.mode == 'Push'")
        .message("leaseHours is about replicas: it needs mode: Push")
        .field_path(".leaseHours")
)]
pub struct SharingPolicySpec {
    /// Assets that are shared. Exactly one of assets and users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<Selection>,
    /// Users whose information is shared, by their labels in the private store or all; never by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<UserSelection>,
    /// Peers that may see them.
    pub peers: Selection,
    /// Pull: the peer asks and keeps nothing. Push: the peer may subscribe and keeps a replica; it may also fetch the same fields.
    pub mode: Mode,
    /// Fields that are opened, as JSON Pointers (RFC 6901); each opens what is at or below it. Exactly one of fields and allFields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 2, max = 256), regex(pattern = "^(/([^/~]|~0|~1)+)+$"))
    )]
    pub fields: Option<Vec<String>>,
    /// Opens everything, also what is added later. Never implied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub all_fields: Option<bool>,
    /// Purposes for which the peer may ask; it must then name one of them. Required with users. Absent: for every purpose and for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 63), regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")), extend("x-kubernetes-list-type" = "set"))]
    pub purposes: Option<Vec<String>>,
    /// Credentials that must be presented; all must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub credentials: Option<Vec<CredentialRequirement>>,
    /// Whether the user's own consent is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<Consent>,
    /// First moment at which the policy grants anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
    /// Moment from which the policy grants nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
    /// How long the reader may keep what it was given, days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub retention_days: Option<i64>,
    /// A version counts as published only when this many organizations have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub minimum_recipients: Option<i64>,
    /// Whether the peer sees the resource listed, and is told why a request fails, before it meets every condition. Absent: true for assets, false for users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<bool>,
    /// Whether the reader may pass on what it was given. Absent: it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redistribute: Option<bool>,
    /// How long a replica is good without word from us, hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8760))]
    pub lease_hours: Option<i64>,
}

/// Which objects are meant: exactly one of names, selector and all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.names), has(self.selector), has(self.all)].filter(x, x).size() == 1")
        .message("say which are meant: write exactly one of names, selector or all: true")
)]
pub struct Selection {
    /// Names of objects in this namespace. A name that does not resolve grants nothing; the others still work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub names: Option<Vec<String>>,
    /// Labels of objects in this namespace; not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// All objects of this namespace, also those added later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub all: Option<bool>,
}

/// Which users are meant: exactly one of selector and all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("has(self.selector) != has(self.all)")
        .message("say which users are meant: write exactly one of selector or all: true")
)]
pub struct UserSelection {
    /// Labels of users in the private store; not empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// All users, also those added later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub all: Option<bool>,
}

/// How data reaches the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Mode {
    /// The reader asks each time and keeps nothing.
    Pull,
    /// The reader subscribes and keeps a replica; it may also ask.
    Push,
}

/// Whether a user's consent is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Consent {
    /// It is.
    Required,
}

/// A credential that must be presented.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialRequirement {
    /// Type (`vct`) of the credential.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 512))]
    pub type_: String,
    /// Whom the credential is about. Absent: the Requester on a policy, the User in eligibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Names of the PeerOrganizations whose credentials of this type are trusted.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 253)))]
    pub issuers: Vec<String>,
    /// CEL condition over the disclosed claims, as `claims`. An error in it is "not satisfied".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub condition: Option<String>,
    /// How old the issuer's word on revocation may be, seconds. Absent means 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub max_status_age_seconds: Option<i64>,
}

/// Whom a credential is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Subject {
    /// The organization that asks.
    Requester,
    /// The user.
    User,
}

/// Status of a SharingPolicy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharingPolicyStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true of this policy now.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Peers it names or selects, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub peers: Option<String>,
    /// What it matches, in short: a number of assets, or `users`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub matches: Option<String>,
    /// What a reader must bring, in short: purpose, credentials, consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub demands: Option<String>,
}
