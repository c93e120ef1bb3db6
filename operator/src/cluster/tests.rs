//! A namespace read from an API server that is a few lines of HTTP.

use std::collections::HashMap;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::*;

/// What the server says of each kind.
#[derive(Clone)]
enum Says {
    /// Pages, each with its objects.
    Pages(Vec<Vec<Value>>),
    /// An error.
    Error(u16),
}

type Answers = Arc<HashMap<&'static str, Says>>;

async fn answer(
    State(answers): State<Answers>,
    Path((namespace, plural)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    assert_eq!(namespace, "bank-a");
    // Of what holds values nothing but the metadata is asked for.
    if ["secrets", "configmaps"].contains(&plural.as_str()) {
        let accept = headers["accept"].to_str().unwrap();
        assert!(accept.contains("as=PartialObjectMetadataList"), "{accept}");
    }
    match answers.get(plural.as_str()) {
        Some(Says::Pages(pages)) => {
            let number: usize = query
                .get("continue")
                .map_or(0, |token| token.parse().unwrap());
            let last = number + 1 == pages.len();
            let token = (!last).then(|| (number + 1).to_string());
            Json(json!({
                "apiVersion": "v1", "kind": "List",
                "metadata": {"continue": token, "resourceVersion": "1"},
                "items": pages[number]
            }))
            .into_response()
        }
        Some(Says::Error(code)) => refusal(*code),
        None => Json(json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": []}))
            .into_response(),
    }
}

/// The root `bank-a`, or the error that its kind is answered with.
async fn root(State(answers): State<Answers>) -> Response {
    match answers.get("sidecarconfigs") {
        Some(Says::Pages(pages)) => Json(pages[0][0].clone()).into_response(),
        Some(Says::Error(code)) => refusal(*code),
        None => refusal(404),
    }
}

fn refusal(code: u16) -> Response {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "message": "no", "reason": if code == 404 { "NotFound" } else { "No" }, "code": code
    });
    (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
}

async fn served(answers: &[(&'static str, Says)]) -> Result<Live, ClusterError> {
    asked(answers, async |client| read(&client, "bank-a").await).await
}

async fn asked<T>(answers: &[(&'static str, Says)], ask: impl AsyncFnOnce(Client) -> T) -> T {
    install_provider();
    let answers: Answers = Arc::new(answers.iter().cloned().collect());
    let kinds = "/apis/sharing.finp2p.io/v1alpha1/namespaces/{namespace}";
    let app = Router::new()
        .route("/api/v1/namespaces/{namespace}/{plural}", get(answer))
        .route(&format!("{kinds}/{{plural}}"), get(answer))
        .route(&format!("{kinds}/sidecarconfigs/bank-a"), get(root))
        .with_state(answers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let config = Config::new(format!("http://{address}").parse().unwrap());
    let answer = ask(Client::try_from(config).unwrap()).await;
    server.abort();
    answer
}

fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharingPolicy",
        "metadata": {
            "name": name, "namespace": "bank-a", "uid": name, "generation": 4,
            "creationTimestamp": "2026-03-01T00:00:00Z"
        },
        "spec": {"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true}
    })
}

#[tokio::test]
async fn a_namespace_is_read_page_by_page_with_the_age_of_each_object() {
    let pages = Says::Pages(vec![vec![policy("a"), policy("b")], vec![policy("c")]]);
    let secret = json!({"metadata": {"name": "bond", "labels": {CONTENT_LABEL: "true"}}});
    let secrets = Says::Pages(vec![vec![secret]]);
    let live = served(&[("sharingpolicies", pages), ("secrets", secrets)])
        .await
        .unwrap();
    let names: Vec<String> = live
        .objects
        .policies
        .iter()
        .map(|o| o.object.name_any())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    let first = &live.objects.policies[0];
    assert_eq!(first.object.metadata.generation, Some(4));
    assert!(matches!(&first.age, Age::Created { name, .. } if name == "a"));
    assert_eq!(live.objects.sources.len(), 1);
    assert!(live.objects.sources[0].permitted);
    assert!(live.sources_known);
}

#[tokio::test]
async fn who_may_not_list_secrets_still_sees_the_rest() {
    let live = served(&[("secrets", Says::Error(403))]).await.unwrap();
    assert!(!live.sources_known);
}

#[tokio::test]
async fn an_error_is_told_with_its_cure_and_never_an_empty_list() {
    for (code, kind, said) in [
        (
            403,
            "sharedassets",
            "no right to list sharedassets in namespace bank-a: have the chart's role finp2p-auditor",
        ),
        (
            404,
            "peerorganizations",
            "the cluster does not know peerorganizations: install the chart",
        ),
        (
            401,
            "sharingpolicies",
            "does not accept the credentials: log in again",
        ),
        (500, "configmaps", "the cluster could not list configmaps"),
    ] {
        let error = served(&[(kind, Says::Error(code))]).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    let mut unknown = policy("a");
    unknown["spec"]["newField"] = json!(true);
    let error = served(&[("sharingpolicies", Says::Pages(vec![vec![unknown]]))])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("use the version"), "{error}");
}

#[tokio::test]
async fn a_report_that_may_not_be_read_is_none_and_a_failure_is_told() {
    async fn report_of(answers: &[(&'static str, Says)]) -> Result<Option<i64>, ClusterError> {
        let ask = async |client| report(&client, "bank-a", "bank-a").await;
        let report = asked(answers, ask).await?;
        Ok(report.map(|report| report.incarnation.unwrap()))
    }
    let object = json!({
        "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SidecarConfig",
        "metadata": {"name": "bank-a", "namespace": "bank-a"},
        "spec": {}, "status": {"incarnation": 7}
    });
    let there = Says::Pages(vec![vec![object]]);
    assert_eq!(
        report_of(&[("sidecarconfigs", there)]).await.unwrap(),
        Some(7)
    );
    for nothing in [403, 404] {
        let answers = [("sidecarconfigs", Says::Error(nothing))];
        assert_eq!(report_of(&answers).await.unwrap(), None);
    }
    let answers = [("sidecarconfigs", Says::Error(500))];
    let error = report_of(&answers).await.unwrap_err();
    assert!(error.to_string().contains("sidecarconfigs"), "{error}");
}
