//! Somebody who talks to the API server: the administrator, or a service account.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use http::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::parts::parts;
use super::resource;
use crate::process::Process;

/// Longest that one request may take: an API server that hangs fails a test, and does not hang it.
const REQUEST: Duration = Duration::from_secs(30);
/// Longest that one call of kubectl may take, in seconds; `kubectl wait` included.
const KUBECTL_S: &str = "120";

/// A kubeconfig with its clients.
#[derive(Clone)]
pub struct Identity {
    /// `admin`, or `NAMESPACE/ACCOUNT`.
    pub name: String,
    pub kubeconfig: PathBuf,
    folder: PathBuf,
    client: kube::Client,
}

/// An answer of the API server that is no success, or none at all (code 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub code: u16,
    /// `NotFound`, `Invalid`, `Forbidden`, `Conflict`, …
    pub reason: String,
    pub message: String,
    /// What is wrong with the object, one by one.
    pub causes: Vec<String>,
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        format!("{} {}: {}", refusal.code, refusal.reason, refusal.message)
    }
}

/// What a program that ended has printed.
#[derive(Clone, Debug)]
pub struct Printed {
    pub success: bool,
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Printed {
    /// Standard output of a success; standard error of a failure.
    pub fn ok(self) -> Result<String, String> {
        if self.success {
            Ok(self.stdout)
        } else {
            Err(self.stderr)
        }
    }
}

impl Identity {
    /// From a kubeconfig file; `folder` is the one of the control plane.
    pub(super) fn open(name: &str, kubeconfig: &Path, folder: &Path) -> Result<Self, String> {
        let config = Kubeconfig::read_from(kubeconfig).map_err(|e| e.to_string())?;
        let _inside = super::runtime().enter();
        let client = super::runtime().block_on(async {
            let options = KubeConfigOptions::default();
            let mut config = kube::Config::from_custom_kubeconfig(config, &options)
                .await
                .map_err(|e| e.to_string())?;
            config.read_timeout = Some(REQUEST);
            kube::Client::try_from(config).map_err(|e| e.to_string())
        })?;
        Ok(Self {
            name: name.to_owned(),
            kubeconfig: kubeconfig.to_owned(),
            folder: folder.to_owned(),
            client,
        })
    }

    /// For what the methods here do not offer, watches for instance. Its requests run on any runtime.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Value, Refusal> {
        self.ask(
            "GET",
            &format!("{}/{name}", resource::path(resource, Some(namespace))),
            None,
        )
    }

    /// The items of a namespace.
    pub fn list(&self, resource: &str, namespace: &str) -> Result<Vec<Value>, Refusal> {
        let list = self.ask("GET", &resource::path(resource, Some(namespace)), None)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    pub fn create(
        &self,
        resource: &str,
        namespace: &str,
        object: &Value,
    ) -> Result<Value, Refusal> {
        self.ask(
            "POST",
            &resource::path(resource, Some(namespace)),
            Some(object),
        )
    }

    /// Puts a whole object in the place of one that was read.
    pub fn replace(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        object: &Value,
    ) -> Result<Value, Refusal> {
        let path = format!("{}/{name}", resource::path(resource, Some(namespace)));
        self.ask("PUT", &path, Some(object))
    }

    /// Merge patch (RFC 7396). `name` may end in `/status`.
    pub fn patch(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, Refusal> {
        self.ask(
            "PATCH",
            &format!("{}/{name}", resource::path(resource, Some(namespace))),
            Some(patch),
        )
    }

    /// Background deletion; no error when it is gone already.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<(), Refusal> {
        let path = format!("{}/{name}", resource::path(resource, Some(namespace)));
        match self.ask("DELETE", &path, None) {
            Err(refusal) if refusal.code != 404 => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Any request. A PATCH is a merge patch.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let content = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content)
            .header("accept", "application/json")
            .body(body.map(Value::to_string).unwrap_or_default().into_bytes())
            .expect("a request");
        let text = super::runtime()
            .block_on(async {
                tokio::time::timeout(REQUEST, self.client.request_text(request)).await
            })
            .map_err(|_| away(format!("no answer within {REQUEST:?}")))?
            .map_err(refusal)?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// kubectl as this identity.
    pub fn kubectl(&self, arguments: &[&str]) -> Printed {
        self.kubectl_reading(arguments, "")
    }

    /// kubectl with something on its standard input.
    pub fn kubectl_reading(&self, arguments: &[&str], stdin: &str) -> Printed {
        let mut command = Command::new("timeout");
        command.arg(KUBECTL_S).arg(&parts().kubectl).args(arguments);
        self.run(command, stdin)
    }

    /// Any program (helm, kstatus, …) with the kubeconfig of this identity, to its end.
    pub fn run(&self, mut command: Command, stdin: &str) -> Printed {
        self.environment(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut input = child.stdin.take().expect("piped");
        let text = stdin.to_owned();
        let writer = std::thread::spawn(move || {
            let _it_reads_no_more = input.write_all(text.as_bytes());
        });
        let output = child.wait_with_output().expect("it ends");
        writer.join().expect("the writer ends");
        Printed {
            success: output.status.success(),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts a program of the project as this identity; it ends with the returned value, and with
    /// this process. Its log is `NAME.log` in the folder of logs, which a failing test keeps.
    pub fn start(&self, name: &str, mut command: Command) -> Result<Process, String> {
        self.environment(&mut command);
        let log = self.logs().join(format!("{name}.log"));
        Process::start_bound(&command, &log).map_err(|error| format!("{command:?}: {error}"))
    }

    fn environment(&self, command: &mut Command) {
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.folder.join("cache"))
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env_remove("KUBERNETES_SERVICE_PORT");
    }

    fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }
}

/// Writes a kubeconfig. `user` is its `user` member.
pub(super) fn kubeconfig(
    path: &Path,
    server: &str,
    authority: &Path,
    namespace: &str,
    user: &Value,
) -> Result<(), String> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "user", "namespace": namespace}}],
        "current-context": "tests",
    });
    fs::write(path, config.to_string()).map_err(|e| format!("{}: {e}", path.display())) // JSON is YAML
}

fn refusal(error: kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) => Refusal {
            code: status.code,
            reason: status.reason.clone(),
            message: status.message.clone(),
            causes: status
                .details
                .iter()
                .flat_map(|details| &details.causes)
                .map(|cause| format!("{}: {}", cause.field, cause.message))
                .collect(),
        },
        other => away(format!("{other}: {}", sources(&other))),
    }
}

fn sources(error: &dyn std::error::Error) -> String {
    let mut all = Vec::new();
    let mut next = error.source();
    while let Some(source) = next {
        all.push(source.to_string());
        next = source.source();
    }
    all.join(": ")
}

fn away(message: String) -> Refusal {
    Refusal {
        code: 0,
        reason: String::new(),
        message,
        causes: Vec::new(),
    }
}
