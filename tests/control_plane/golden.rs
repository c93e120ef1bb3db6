//! Files that hold what the API server or kubectl said. `UPDATE_GENERATED=1` rewrites them.

use std::fs;

use finp2p_tests::binaries::root;

/// # Panics
/// When the text is not what the file holds.
pub fn compare(name: &str, text: &str) {
    let path = root().join("tests/control_plane/golden").join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "golden/{name} is another; if this is right: UPDATE_GENERATED=1 make test-control-plane"
    );
}
