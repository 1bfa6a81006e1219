//! The mark that a vacuum leaves in the lake: which batches can still be read.

use entrega_lake::Lake;
use serde::{Deserialize, Serialize};

use crate::{FlowError, Result};

const FILE: &str = "ops/_care.json";

/// What is remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Batches before this one may lack files: a vacuum did not keep them.
    pub readable_from: i64,
}

impl Mark {
    /// The mark of a lake; of a lake that nobody ever vacuumed, zero.
    ///
    /// # Errors
    /// [`FlowError::Request`] when it cannot be understood.
    pub async fn read(lake: &Lake) -> Result<Self> {
        let Some(bytes) = lake.get(FILE).await? else { return Ok(Self::default()) };
        serde_json::from_slice(&bytes).map_err(|error| FlowError::Request {
            problem: format!("{FILE} cannot be read: {error}"),
            hint: "delete it; the next vacuum writes it again".to_owned(),
        })
    }

    /// Writes the mark.
    ///
    /// # Errors
    /// From the lake.
    pub async fn write(self, lake: &Lake) -> Result<()> {
        Ok(lake.put(FILE, serde_json::to_vec(&self).unwrap_or_default().into()).await?)
    }
}
