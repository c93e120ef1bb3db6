//! The chart, with the real Helm: what it renders, what it refuses, and on a real API server what it
//! installs, guards, keeps and leaves behind. Then what stands around it: the health check for Argo CD and
//! the pipelines of `crds/samples/pipelines`, as Flux and Argo CD run them.
//!
//! Reading order: [`helm`], [`golden`], [`values`], [`installed`] (the chart on an API server), [`valid`],
//! [`admission`], [`rights`], [`lifecycle`], [`health`], [`gitops`] (kustomize, Flux, Argo CD), [`pipelines`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails
#![allow(clippy::disallowed_methods)] // deadlines

mod admission;
mod gitops;
mod golden;
mod health;
mod helm;
mod installed;
mod lifecycle;
mod pipelines;
mod rights;
mod valid;
mod values;
