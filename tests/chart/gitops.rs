//! What the GitOps tools do: kustomize, the apply of Flux and of Argo CD, and their kinds.

use std::path::{Path, PathBuf};
use std::process::Command;

use finp2p_tests::binaries::root;
use finp2p_tests::control_plane::identity::Identity;
use finp2p_tests::control_plane::parts::{parts, programs};
use serde_json::Value;

use crate::helm;

/// A Go module: path, version, checksum.
pub type Module = (&'static str, &'static str, &'static str);

pub const FLUX_SOURCE: Module = (
    "github.com/fluxcd/source-controller",
    "v1.9.6",
    "h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc=",
);
pub const FLUX_KUSTOMIZE: Module = (
    "github.com/fluxcd/kustomize-controller",
    "v1.9.6",
    "h1:XB+G3A0mky0j5uVHZWv4oSlS2RvZBoNIUhstIvY0JKE=",
);
pub const ARGO_CD: Module = (
    "github.com/argoproj/argo-cd/v3",
    "v3.5.7",
    "h1:Xm1BF+I5OgDKUG3SDK49vn2/Y5AMyaNVko+/JT08gj0=",
);

/// A file of a module, from Go's module cache: the CRDs of other projects are theirs to keep.
pub fn module_file(module: Module, file: &str) -> PathBuf {
    let (path, version, sum) = module;
    let mut command = Command::new("go");
    command
        .args(["mod", "download", "-json", &format!("{path}@{version}")])
        .env("GOFLAGS", "-mod=mod")
        .current_dir("/"); // of no module
    let found = helm::run(command).unwrap_or_else(|why| panic!("{path}@{version}: {why}"));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["Sum"], sum, "{path}@{version}");
    PathBuf::from(found["Dir"].as_str().unwrap()).join(file)
}

pub fn pipelines() -> PathBuf {
    root().join("crds/samples/pipelines")
}

/// `kubectl kustomize`, as Flux and Argo CD build.
pub fn kustomize(folder: &Path) -> Result<String, String> {
    let mut command = Command::new(&parts().kubectl);
    command.arg("kustomize").arg(folder);
    helm::run(command)
}

/// As Flux does it, with Flux's library: apply, then prune.
pub fn flux(identity: &Identity, kustomization: &str, manifests: &str) -> Result<String, String> {
    let [gitops] = programs(["gitops"]);
    let mut command = Command::new(gitops);
    command.args(["apply", kustomization]);
    identity.run(command, manifests).ok()
}

/// As Argo CD does it with ServerSideApply=true: kubectl's code, under Argo CD's name, with force.
pub fn argo_cd(identity: &Identity, manifests: &str) -> Result<String, String> {
    let arguments = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "--field-manager=argocd-controller",
        "-f",
        "-",
    ];
    identity.kubectl_reading(&arguments, manifests).ok()
}
