//! The local API as a program of the organization sees it.

use std::time::Duration;

use serde_json::Value;

/// A client with one token.
#[derive(Clone, Debug)]
pub struct Api {
    pub base: String,
    pub token: String,
}

/// Status and body of an answer; `Null` when the body is no JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Api {
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        let request = self
            .agent()
            .get(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token));
        read(request.call())
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request = self
            .agent()
            .post(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token));
        read(request.send_json(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Result<Answer, String> {
        let request = self
            .agent()
            .put(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token));
        read(request.send_json(body))
    }

    /// Asks our node to fetch a peer's resource.
    pub fn fetch(&self, body: &Value) -> Result<Answer, String> {
        self.post("/v1/fetch", body)
    }

    fn agent(&self) -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into()
    }
}

fn read(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, String> {
    let mut response = response.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())?;
    Ok(Answer {
        status,
        body: serde_json::from_str(&text).unwrap_or(Value::Null),
    })
}
