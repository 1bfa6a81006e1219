//! The order system replayed: the invariants on a made-up shop, and once on the real data.

mod bad_input;
mod landing;
mod real_data;
mod replayed;
