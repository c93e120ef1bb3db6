//! Three banks in a folder, twice: before and after a change.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::program;
pub use crate::program::text;

/// The private value that no output may show.
pub const SECRET: &str = "99.20";
pub const NOW: &str = "2026-12-01T00:00:00Z";
pub const BOND: &str = "bank-a:102:ZZGREEN20318";

/// What the program does, and that it shows nothing private.
pub fn run(arguments: &[&str], input: &str) -> Output {
    let output = program::run(arguments, input);
    for stream in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(SECRET));
    }
    output
}

pub fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The first scenario of the samples, with records of its peers whose keys are of no use to
/// anybody, under `name` in a fresh folder.
pub struct Banks {
    folder: tempfile::TempDir,
}

impl Banks {
    pub fn new() -> Self {
        let banks = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        banks.copy("old");
        banks.copy("new");
        banks
    }

    fn copy(&self, side: &str) {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/samples/first-light");
        for bank in ["bank-a", "bank-b", "bank-c"] {
            let target = self.path(side).join(bank);
            std::fs::create_dir_all(&target).unwrap();
            for file in std::fs::read_dir(samples.join(bank)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
            }
        }
        std::fs::create_dir_all(self.path(side).join("members")).unwrap();
        self.write(side, "members/bank-b.yaml", &record("bank-b", KEYS[0], ""));
        self.write(side, "members/bank-c.yaml", &record("bank-c", KEYS[1], ""));
    }

    pub fn path(&self, side: &str) -> PathBuf {
        self.folder.path().join(side)
    }

    pub fn write(&self, side: &str, file: &str, text: &str) {
        std::fs::write(self.path(side).join(file), text).unwrap();
    }

    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path("new").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn diff(&self, more: &[&str]) -> Output {
        let (old, new) = (self.path("old"), self.path("new"));
        let mut arguments = vec!["diff", "--at", NOW];
        arguments.extend(more);
        arguments.extend([old.to_str().unwrap(), new.to_str().unwrap()]);
        run(&arguments, "")
    }

    pub fn explain(&self, more: &[&str]) -> Output {
        let new = self.path("new");
        let mut arguments = vec!["explain", "--at", NOW];
        arguments.extend(more);
        arguments.push(new.to_str().unwrap());
        run(&arguments, "")
    }
}

/// Root keys of nobody.
pub const KEYS: [&str; 2] = [
    "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=",
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
];

pub fn record(name: &str, key: &str, more: &str) -> String {
    format!(
        "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {{name: {name}}}\nspec:\n  keys: [{{id: 2026-a, publicKey: {key}, notBefore: 2026-01-01T00:00:00Z, notAfter: 2028-01-01T00:00:00Z}}]\n{more}"
    )
}
