//! What the stories share: a lake to work in, drops written by hand, and the comparison of two lakes.

pub mod arrival;
pub mod contents;
pub mod delivery;
pub mod lake;
pub mod models;
pub mod rows;

pub use arrival::in_any_order;
pub use contents::{Contents, assert_same};
pub use delivery::Delivery;
pub use lake::{Lake, Outcome, SHOP};
pub use models::Models;
