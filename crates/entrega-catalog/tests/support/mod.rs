//! The real servers, and a small shop's lake for them.

pub mod services;
pub mod shop;
