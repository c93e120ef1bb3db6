//! A namespace of one test.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::identity::{Identity, Printed, Refusal, kubeconfig};
use super::{ControlPlane, condition, failure};
use crate::wait;

/// Longest that a token lives which says nothing else, in seconds: longer than any test.
const TOKEN_S: u32 = 3600;
/// Longest that the API server, or who acts on it, may take until something is as it should be.
pub const SEEN: Duration = Duration::from_secs(60);

/// Deleted when the test is over, best effort; what is known of a test that fails is written down first.
pub struct Namespace<'a> {
    pub name: String,
    cluster: &'a ControlPlane,
    kept: Mutex<Option<PathBuf>>,
}

impl<'a> Namespace<'a> {
    pub(super) fn make(cluster: &'a ControlPlane, label: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self::called(cluster, &format!("{label}-{number}"))
    }

    pub(super) fn called(cluster: &'a ControlPlane, name: &str) -> Self {
        let name = name.to_owned();
        let object = json!({"metadata": {"name": name}});
        cluster
            .admin()
            .create("namespaces", "", &object)
            .unwrap_or_else(|refusal| panic!("namespace {name}: {refusal:?}"));
        Self {
            name,
            cluster,
            kept: Mutex::new(None),
        }
    }

    pub fn cluster(&self) -> &'a ControlPlane {
        self.cluster
    }

    /// As a user: `kubectl apply` of manifests into this namespace.
    pub fn apply(&self, manifests: &str) -> Printed {
        self.kubectl(&["apply", "-f", "-"], manifests)
    }

    /// kubectl of the administrator in this namespace.
    pub fn kubectl(&self, arguments: &[&str], stdin: &str) -> Printed {
        let mut all = vec!["--namespace", &self.name];
        all.extend(arguments);
        self.cluster.admin().kubectl_reading(&all, stdin)
    }

    /// As a user who edits members of a spec: `kubectl patch --type=merge`.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub fn edit_spec(&self, resource: &str, name: &str, spec: Value) {
        let patch = json!({"spec": spec}).to_string();
        let edit = ["patch", resource, name, "--type=merge", "-p", &patch];
        let edited = self.kubectl(&edit, "");
        edited.ok().expect("the edit");
    }

    pub fn get(&self, resource: &str, name: &str) -> Result<Value, Refusal> {
        self.cluster.admin().get(resource, &self.name, name)
    }

    pub fn list(&self, resource: &str) -> Result<Vec<Value>, Refusal> {
        self.cluster.admin().list(resource, &self.name)
    }

    /// A service account of this namespace, made if it is not there, with its kubeconfig: a token from
    /// the TokenRequest API, this namespace as the default.
    pub fn account(&self, name: &str) -> Identity {
        self.account_for(name, None, TOKEN_S)
    }

    /// The same with a token for an audience (without one: the API server) and so many seconds (600 at
    /// least). A program reads its token again from the file that the kubeconfig names.
    pub fn account_for(&self, name: &str, audience: Option<&str>, expires_s: u32) -> Identity {
        let object = json!({"metadata": {"name": name}, "automountServiceAccountToken": false});
        match self
            .cluster
            .admin()
            .create("serviceaccounts", &self.name, &object)
        {
            Err(refusal) if refusal.code != 409 => panic!("account {name}: {refusal:?}"),
            _ => {}
        }
        let kubeconfigs = self.cluster.folder().join("kubeconfigs");
        let token = kubeconfigs.join(format!("{}-{name}.token", self.name));
        let path = kubeconfigs.join(format!("{}-{name}", self.name));
        std::fs::write(&token, self.token(name, audience, expires_s)).expect("a file");
        kubeconfig(
            &path,
            &self.cluster.server(),
            &self.cluster.certificates.authority,
            &self.name,
            &json!({"tokenFile": token}),
        )
        .and_then(|()| {
            let as_whom = format!("{}/{name}", self.name);
            Identity::open(&as_whom, &path, self.cluster.folder())
        })
        .unwrap_or_else(|why| panic!("account {name}: {why}"))
    }

    /// A service account to which a role of the chart for people is bound here, `auditor` for instance.
    /// The release is the one called `finp2p`.
    pub fn with_role(&self, role: &str) -> Identity {
        let account = self.account(role);
        let binding = json!({
            "metadata": {"name": role},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("finp2p-{role}")},
            "subjects": [{"kind": "ServiceAccount", "name": role, "namespace": self.name}],
        });
        let bound = self
            .cluster
            .admin()
            .create("rolebindings", &self.name, &binding);
        match bound {
            Err(refusal) if refusal.code != 409 => panic!("role {role}: {refusal:?}"),
            _ => {}
        }
        self.until("the role to be bound", SEEN, || {
            Ok(account.list("events", &self.name).map(drop)?)
        });
        account
    }

    /// A token of a service account for an audience (without one: the API server), for so many seconds
    /// (600 at least).
    pub fn token(&self, account: &str, audience: Option<&str>, expires_s: u32) -> String {
        let mut spec = json!({"expirationSeconds": expires_s});
        if let Some(audience) = audience {
            spec["audiences"] = json!([audience]);
        }
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{account}/token",
            self.name
        );
        let answer = self
            .cluster
            .admin()
            .ask("POST", &path, Some(&request))
            .unwrap_or_else(|refusal| panic!("token of {account}: {refusal:?}"));
        answer["status"]["token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    /// Waits until an object has a condition, about its present generation; returns the condition.
    ///
    /// # Panics
    /// After [`SEEN`], with the folder of what is known.
    pub fn until_condition(&self, resource: &str, name: &str, kind: &str, status: &str) -> Value {
        self.until(
            &format!("{kind}={status} of {resource}/{name}"),
            SEEN,
            || condition(&self.get(resource, name)?, kind, status),
        )
    }

    /// Waits until an object is gone.
    ///
    /// # Panics
    /// After [`SEEN`], with the folder of what is known.
    pub fn until_gone(&self, resource: &str, name: &str) {
        self.until(
            &format!("the end of {resource}/{name}"),
            SEEN,
            || match self.get(resource, name) {
                Err(refusal) if refusal.code == 404 => Ok(()),
                Err(refusal) => Err(refusal.into()),
                Ok(object) => Err(format!("it is there: {}", object["metadata"])),
            },
        );
    }

    /// Waits on any condition that asks the API server.
    ///
    /// # Panics
    /// After `deadline`, with the folder of what is known.
    pub fn until<T>(
        &self,
        what: &str,
        deadline: Duration,
        look: impl FnMut() -> Result<T, String>,
    ) -> T {
        wait::try_ask_until(deadline, look).unwrap_or_else(|last| {
            let kept = self.keep();
            panic!("{what} was not seen within {deadline:?}: {last}\n{kept}");
        })
    }

    /// Writes down what is known, once, and says where.
    fn keep(&self) -> String {
        let mut kept = self.kept.lock().expect("nobody panics here");
        let folder = kept.get_or_insert_with(|| failure::keep(self.cluster, &[&self.name]));
        format!("objects, events and logs are in {}", folder.display())
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.keep();
            eprintln!("namespace {}: {kept}", self.name);
        }
        let _best_effort = self.cluster.admin().delete("namespaces", "", &self.name);
    }
}
