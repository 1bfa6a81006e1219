//! Which orders a batch affects, month by month.

use std::collections::{BTreeMap, HashSet};

use arrow::array::RecordBatch;
use entrega_operators::keys::{Id, ids, text};

use crate::{FlowError, Result};

/// The affected orders of a month.
#[derive(Debug, Clone)]
pub enum Scope {
    /// All of them.
    All,
    /// These.
    Orders(HashSet<Id>),
}

/// The affected orders by purchase month (days since 1970-01-01).
#[derive(Debug, Clone, Default)]
pub struct Affected(pub BTreeMap<i32, Scope>);

impl Affected {
    /// Marks a whole month.
    pub fn all(&mut self, month: i32) {
        self.0.insert(month, Scope::All);
    }

    /// Marks some orders of a month.
    pub fn orders(&mut self, month: i32, orders: impl IntoIterator<Item = Id>) {
        match self.0.entry(month).or_insert_with(|| Scope::Orders(HashSet::new())) {
            Scope::All => {}
            Scope::Orders(known) => known.extend(orders),
        }
    }

    /// Marks the orders of rows that have an `order_id`.
    ///
    /// # Errors
    /// When they have none.
    pub fn rows(&mut self, month: i32, rows: &[RecordBatch]) -> Result<()> {
        for batch in rows {
            let column = text(batch, "order_id").map_err(FlowError::rows("changed rows"))?;
            self.orders(month, ids(column).flatten());
        }
        Ok(())
    }
}
