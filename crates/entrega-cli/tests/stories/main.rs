//! Stories of the whole product: each starts the real binary over a lake of its own and reads what a person would see.
//!
//! ```text
//!  first_morning    the way from a data set to the report, and what each verb says
//!  same_tables      daily, hourly, shuffled, repeated drops end in the tables of one big drop
//!  permutations     any order and repetition of any drops gives the same tables
//!  corrections      rows that move, contradict, come late or wait for another
//!  deletions        rows that are gone: by a mark, by a whole snapshot without them
//!  bad_deliveries   drops that lie: a clear message, and the lake as it was
//!  drift            files with other columns than their contract
//!  bad_rows         rows that cannot be read: quarantine
//!  features         what could be known at each decision, labels that mature, training sets
//!  quarantine       rows looked at, tried again, given up
//!  arrival          gaps, late drops, files copied by hand
//!  erasing          a person who is forgotten
//!  places           where a lake lies: made, examined, files in and out
//!  care             tables looked at, put in shape, swept
//!  bad_requests     wrong paths, arguments and questions
//!  heavy_mess       a month of a shop whose system behaves badly: every fault is caught, nothing else changes
//!  simulated_shop   a shop that never was, all the way
//!  killed           a run that is killed at any moment and started again
//!  changed_models   a model that changes, and changes back
//! ```
//!
//! They know nothing of the crates inside: what they check holds for any implementation.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arrival;
mod bad_deliveries;
mod bad_requests;
mod bad_rows;
mod care;
mod changed_models;
mod corrections;
mod deletions;
mod drift;
mod erasing;
mod features;
mod first_morning;
mod heavy_mess;
mod killed;
mod permutations;
mod places;
mod quarantine;
mod same_tables;
mod simulated_shop;
mod support;
