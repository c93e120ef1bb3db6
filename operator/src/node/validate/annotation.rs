//! Annotations below `sharing.finp2p.io/` that do nothing where they stand. Nothing waits for them to be
//! mended, and who wrote one believes that it was heard.

use std::collections::BTreeMap;

use finp2p_crds::{CHANGE_ANNOTATION, CONTENT_LABEL, GROUP, SEQUENCE_ANNOTATION};

/// Why one of these annotations does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It is heard on the local organization only.
    Elsewhere,
    /// It is a label.
    Label,
    /// There is none of this name.
    Unknown,
}

impl Idle {
    /// What is to be said of an annotation; `is_local` of the object with `node`.
    pub fn of(key: &str, is_local: bool) -> Option<Self> {
        let (prefix, _) = key.split_once('/')?;
        match key {
            _ if prefix != GROUP => None,
            CHANGE_ANNOTATION => None,
            SEQUENCE_ANNOTATION => (!is_local).then_some(Self::Elsewhere),
            CONTENT_LABEL => Some(Self::Label),
            _ => Some(Self::Unknown),
        }
    }

    /// What to do about it.
    pub fn cure(self) -> String {
        match self {
            Self::Elsewhere => "write it on the PeerOrganization with node".to_owned(),
            Self::Label => "write it under labels".to_owned(),
            Self::Unknown => format!(
                "there are {CHANGE_ANNOTATION} and, on the PeerOrganization with node, {SEQUENCE_ANNOTATION}"
            ),
        }
    }
}

/// The first annotation of an object that does nothing, as a clause.
pub fn idle(annotations: Option<&BTreeMap<String, String>>, is_local: bool) -> Option<String> {
    let mut keys = annotations.into_iter().flat_map(BTreeMap::keys);
    keys.find_map(|key| {
        let cure = Idle::of(key, is_local)?.cure();
        Some(format!("annotation {key} does nothing here: {cure}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_that_does_nothing_where_it_stands_is_told() {
        let sequence = "sharing.finp2p.io/sequence";
        for (key, is_local, idle) in [
            (sequence, true, None),
            (sequence, false, Some(Idle::Elsewhere)),
            ("sharing.finp2p.io/change", false, None),
            ("sharing.finp2p.io/sequnce", true, Some(Idle::Unknown)),
            ("sharing.finp2p.io/content", false, Some(Idle::Label)),
            ("sequence", true, None),
            ("example.org/sequence", false, None),
        ] {
            assert_eq!(Idle::of(key, is_local), idle, "{key}");
        }
    }
}
