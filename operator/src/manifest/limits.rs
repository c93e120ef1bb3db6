//! How much is read, at most. Each bound is far above what an API server would take, and
//! together they keep a hostile folder under a few hundred megabytes of memory.

/// Largest document, bytes: an API server takes requests of 3 MiB.
pub const DOCUMENT_MAX_BYTES: usize = 3 * 1024 * 1024;
/// Largest file, bytes: 10,000 assets of 1 KiB in one file.
pub const FILE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// All files of one run together, bytes.
pub const TOTAL_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Nodes (mappings, sequences, scalars, keys) of one document: the largest valid object,
/// a policy with every list full, has fewer than 5,000.
pub const DOCUMENT_MAX_NODES: usize = 50_000;
/// Nodes of one run together: 10,000 assets of 40 nodes five times over; about 200 MB.
pub const TOTAL_MAX_NODES: usize = 2_000_000;
/// Deepest nesting: a pod template, the deepest thing anybody writes, has about 15 levels.
pub const MAX_DEPTH: usize = 48;
/// Longest key, bytes: a label key, the longest that Kubernetes knows, has 317.
pub const KEY_MAX_BYTES: usize = 512;
/// Documents of one run: the scale goal (10,000 assets, 100 peers, 1,000 policies) doubled.
pub const MAX_DOCUMENTS: usize = 25_000;
/// Files of one run.
pub const MAX_FILES: usize = 25_000;
/// Findings of one run; a report beyond this helps nobody.
pub const MAX_FINDINGS: usize = 5_000;
/// Remarks on scalars of one document.
pub const MAX_REMARKS: usize = 16;
