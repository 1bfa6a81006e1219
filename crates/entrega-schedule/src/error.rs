//! What can be wrong with a schedule: always something that its writer can mend.

use thiserror::Error;

/// The result of reading or holding a schedule.
pub type Result<T, E = ScheduleError> = std::result::Result<T, E>;

/// An error of a schedule.
#[derive(Debug, Error)]
pub enum ScheduleError {
    /// The text is no TOML, or has unknown words.
    #[error("the schedule {origin} cannot be read\nhint: `entrega schedule --print` shows one that can")]
    Syntax {
        /// Where it came from.
        origin: String,
        /// The cause, with line and column.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("the schedule {origin}: {problem}\nhint: {hint}")]
    Value {
        /// Where it came from.
        origin: String,
        /// Which value, and why not.
        problem: String,
        /// What to write instead.
        hint: String,
    },
    /// What is done cannot be read or noted; nothing is started without that.
    #[error("the state of the schedule: {problem}\nhint: {hint}")]
    State {
        /// What failed.
        problem: String,
        /// What to do.
        hint: String,
    },
}
