//! What people and programs are told after a step: tables, and the files that programs read.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use rand::CryptoRng;

use super::{Local, RETRY_AFTER};
use crate::local::refusals::Refusals;
use crate::local::report::Sight;

/// Statuses are printed when nothing changed for this long, so that a start is one table and
/// not five.
const STATUS_QUIET: Duration = Duration::from_millis(400);
/// Statuses are printed after this long although they still change.
const STATUS_LATEST: Duration = Duration::from_secs(3);
const NOTHING_REFUSED: &Refusals = &Refusals::none();
const STATUS: &str = "status.txt";
const ENDPOINTS: &str = "endpoints.json";

impl<C, R, W> Local<C, R, W>
where
    C: Fn() -> Timestamp,
    R: CryptoRng,
    W: Write,
{
    /// Writes the files that programs read, when they say something else.
    pub fn publish(&mut self, now: Duration) {
        if !self.has_read || now < self.publish_not_before {
            return;
        }
        let state = &self.state;
        // What somebody else wrote or removed is written anew.
        self.published
            .retain(|name, (_, stamp)| state.is_still(name, *stamp));
        let stale = !self.published.contains_key(STATUS) || !self.unprinted.is_empty();
        if stale {
            let moment = (self.clock)();
            let mut text = String::new();
            for (name, desk) in &self.desks {
                let refusals = self.refusals.get(name).unwrap_or(NOTHING_REFUSED);
                if let Some(namespace) = self.namespace(name) {
                    let sight = Sight {
                        namespace,
                        desk,
                        refusals,
                        behind: self.fleet.behind(name),
                    };
                    text.push_str(&self.teller.tables(&sight, moment));
                    text.push('\n');
                }
            }
            self.publish_one(STATUS, text, now);
        }
        let slices = |namespace: &str| {
            let previous = self.desks.get(namespace).and_then(|d| d.previous.as_ref());
            previous.map(|p| p.slices.as_slice()).unwrap_or_default()
        };
        let endpoints = self.fleet.endpoints(slices);
        // Text keys and plain values have a JSON form.
        let text = serde_json::to_string_pretty(&endpoints).unwrap_or_default();
        self.publish_one(ENDPOINTS, text, now);
    }

    fn publish_one(&mut self, name: &'static str, text: String, now: Duration) {
        if (self.published.get(name)).is_some_and(|(published, _)| *published == text) {
            return;
        }
        match self.state.publish(name, &text) {
            Ok(()) => {
                let stamp = self.state.stamp(name);
                self.published.insert(name, (text, stamp));
            }
            Err(error) => {
                self.published.remove(name);
                self.publish_not_before = now + RETRY_AFTER;
                self.say_once(name, &error.to_string());
            }
        }
    }

    /// Prints the statuses that have settled.
    pub(super) fn print(&mut self, now: Duration) {
        let due = self.unprinted.iter().filter(|(namespace, (first, last))| {
            let settled = now.saturating_sub(*last) >= STATUS_QUIET;
            (settled && !self.fleet.awaits_report(namespace))
                || now.saturating_sub(*first) >= STATUS_LATEST
        });
        let due: Vec<String> = due.map(|(namespace, _)| namespace.clone()).collect();
        for name in due {
            self.unprinted.remove(&name);
            let moment = (self.clock)();
            let namespaces = &self.view.folder.namespaces;
            let namespace = namespaces.iter().find(|n| n.name == name);
            if let (Some(namespace), Some(desk)) = (namespace, self.desks.get(&name)) {
                let sight = Sight {
                    namespace,
                    desk,
                    refusals: self.refusals.get(&name).unwrap_or(NOTHING_REFUSED),
                    behind: self.fleet.behind(&name),
                };
                self.teller.status(&sight, moment);
            }
        }
    }
}
