//! The order system replayed: the invariants on a made-up shop, and once on the real data.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it skips")]

mod bad_input;
mod followed;
mod heavy;
mod landing;
mod real_data;
mod replayed;
mod simulated;
