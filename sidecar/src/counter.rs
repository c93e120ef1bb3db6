//! Numbers that only grow, in sets that are read at once. Who exports them, and under which
//! names, is decided elsewhere.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A struct of counters, and one of the same names with what they said at one moment.
macro_rules! counters {
    (
        $(#[$set_doc:meta])* $set:ident, $(#[$counts_doc:meta])* $counts:ident:
        $($(#[$doc:meta])* $name:ident,)*
    ) => {
        $(#[$set_doc])*
        #[derive(Debug, Default)]
        pub struct $set {
            $(pub(super) $name: crate::counter::Counter,)*
        }

        $(#[$counts_doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl $counts {
            /// All counters with their names, in the order above.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }

        impl $set {
            /// All counters now.
            #[must_use]
            pub fn read(&self) -> $counts {
                $counts { $($name: self.$name.read(),)* }
            }
        }
    };
}
pub(crate) use counters;
