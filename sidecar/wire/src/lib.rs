//! sidecar/wire
