//! A program of the organization, and what it is answered.

use std::time::Duration;

use serde_json::{Value, json};

/// Longest that a program waits for an answer.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A program that calls the API.
#[derive(Clone)]
pub struct Program {
    pub base: String,
    pub headers: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Program {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Vec::new())
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.clone()
            .header("content-type", "application/json")
            .send("PUT", path, body.to_string().into_bytes())
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.clone()
            .header("content-type", "application/json")
            .send("POST", path, body.to_string().into_bytes())
    }

    pub fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .timeout_global(Some(DEADLINE))
            .build()
            .into();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = match body.is_empty() {
            true => agent.run(request.body(()).unwrap()).unwrap(),
            false => agent.run(request.body(body).unwrap()).unwrap(),
        };
        let text = response.body_mut().read_to_string().unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Fails unless this is a refusal in its full form; returns its sentence.
    #[track_caller]
    pub fn refusal(&self, status: u16, code: u16, title: &str) -> &str {
        let got = (self.status, &self.body["code"], &self.body["title"]);
        assert_eq!(got, (status, &json!(code), &json!(title)), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("urn:finp2p:error:{title}"));
        let reference = self.body["reference"].as_str().unwrap();
        assert_eq!(reference.len(), 16);
        assert!(hex::decode(reference).is_ok(), "{reference}");
        let detail = self.body["detail"].as_str().unwrap();
        assert!(detail.ends_with('.'), "{detail}");
        detail
    }
}
