//! The network, the reader and whole nodes over real loopback sockets, with peers that do not
//! behave.
//!
//! Modules in reading order: `bank` (an organization and its keys), `node` (a node on loopback),
//! `raw` (a peer that writes what it likes on a stream), `network` and `network_requests`; `primary`
//! (a hostile Primary), `reader`, `reader_hello` and `reader_records`; `together` (reader and responder of real nodes); `victim` (a node with everything
//! real: sled store, audit files, responder, network), `attacker` (a pinned bank with a node of its
//! own that signs what it likes), `kept` (what the audit files hold), and the attacks on them.
//!
//! # The attacks of the protocol, by number
//! In each: the exact code or the closed connection, signed or a hint, what the audit files hold
//! afterwards, and that an honest reader is still served.
//!
//! | attack | tests | shown |
//! |---|---|---|
//! | 1 | `network::attack_1_…`, `together::attack_1_…`, `reader_hello::attack_1_…` | closed; no frame over 16 KiB is read, nothing is written |
//! | 2, 3 | `reader_hello::attack_2_…`, `reader_hello::attack_3_…` | a stolen, revoked or outdated certificate opens nothing |
//! | 4 | `attacks_envelope::attack_04_…` | 9004 in the session; 9002 for another bank, a new session, after a restart from disk, at another node; 9006 when relayed there; one read in all |
//! | 5 | `attacks_envelope::attack_05_…` | every kind as request and hello 3000 with an entry, as answer refused by the reader; a request is no certificate |
//! | 6 | `attacks_envelope::attack_06_…` | 3000 with an entry |
//! | 7 | `attacks_encoding::attack_07_…` | thirteen headers under right signatures: 1002, counted |
//! | 8 | `attacks_encoding::attack_08_…` | 1002 without a signature being looked at; 4 GiB announced cost no memory |
//! | 9 | `attacks_encoding::attack_09_…` | S ≥ ℓ and small-order R 3000 with an entry; a weak root that is pinned opens nothing |
//! | 10, 11 | `reader::attack_10_…`, `reader::attack_11_…` | swapped answers rejected; an unsigned refusal is never "not shared" |
//! | 16 | `attacks_moment::attack_16_…`, `reader_hello::attack_16_…` | 9005 with our time; whatever the clock does, grant, session and certificate stay over; three witnesses make the clock suspect |
//! | 17 | `attacks_access::attack_17_…` | same payload but for what names the request, same length, no read, one signature, one entry |
//! | 18 | `attacks_access::attack_18_…` | one 3400 for ungranted, unknown, above, below |
//! | 19 | `attacks_moment::attack_19_…` | 400 pulls, workers held with a "yes" in their hands: nothing given after `apply` returned |
//! | 20 | `attacks_access::attack_20_…` | union in any order; expired and future add nothing; suspended 3000 |
//! | 21 | `attacks_items::attack_21_…` | 9,600 identifiers: budget, alarm, bytes of the audit; another bank notices nothing |
//! | 22 | `attacks_items::attack_22_…` | 9007; look-alikes, colons, controls 1002; a megabyte is not read |
//! | 23 | `attacks_items::attack_23_…` | one of 64 fails alone, 64 entries; 65 are no request |
//! | 24 | `attacks_items::attack_24_…` | 3400 before the store; empty and too long 1002; a megabyte is not read |
//! | 25 | `attacks_records::attack_25_…` | every kept hostile record, served by a Primary that signs for it, refused for its own reason |
//! | 26 | `attacks_records::attack_26_…` | withheld objects, arrays and shells leave no trace |
//! | 27 | `attacks_records::attack_27_…` | sorted, padded to a power of two, no digest twice in five versions |
//! | 30 | `reader_records::attack_30_…` | another's key, S for K, another resource |
//!
//! # What cannot be attacked yet, because it does not exist
//! - 5: no message is read as `lane`, `ack` or `bell`; those kinds are tried as requests, hellos
//!   and answers only.
//! - 16: the node tells that its clock is suspect (`Tally::clock_suspect`); nothing stops trusting
//!   new certificates and grants because of it until a person looks, and the operator shows no
//!   `ClockSuspect`.
//! - 17: a wrong mode (a policy for push also lets its reader ask, and there is no subscription);
//!   timing, which is `make bench`'s.
//! - 21: a million identifiers; the budget makes thousands show the same.
//! - 25 to 27 for replicas and credentials: there are neither.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// A panic is how a test fails.

mod attacker;
mod attacks_access;
mod attacks_encoding;
mod attacks_envelope;
mod attacks_items;
mod attacks_moment;
mod attacks_records;
mod bank;
mod kept;
mod network;
mod network_requests;
mod node;
mod primary;
mod raw;
mod reader;
mod reader_hello;
mod reader_records;
mod together;
mod victim;
