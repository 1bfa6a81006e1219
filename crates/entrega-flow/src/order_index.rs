//! The order index: from an order's id, or its customer's, to the month that its rows live in.
//!
//! A batch's own orders are indexed as they are read. Rows whose order is not among them are looked up in
//! `clean.orders`, id columns only, newest month first, until all are found.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use entrega_lake::{Lake, TableState, read::days_since_epoch, schema::DROP_COLUMN};
use entrega_operators::keys::{Id, dictionary_value, ids, text};

use crate::{FlowError, Result};

/// Where an order lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The purchase month, days since 1970-01-01.
    pub month: i32,
    /// The order.
    pub order: Id,
}

/// Orders by their own id and by their customer's.
#[derive(Debug, Default)]
pub struct OrderIndex {
    by_order: hashbrown::HashMap<Id, i32>,
    by_customer: hashbrown::HashMap<Id, Place>,
}

impl OrderIndex {
    /// Adds an order; `true` if it was there already (the newer place wins).
    pub fn insert(&mut self, order: Id, customer: Option<Id>, month: i32) -> bool {
        if let Some(customer) = customer {
            self.by_customer.insert(customer, Place { month, order });
        }
        self.by_order.insert(order, month).is_some()
    }

    /// Room for so many more orders.
    pub fn reserve(&mut self, orders: usize) {
        self.by_order.reserve(orders);
        self.by_customer.reserve(orders);
    }

    /// Where a child row belongs that refers to an order by `column` of orders.
    #[must_use]
    pub fn find(&self, by: By, id: &Id) -> Option<Place> {
        match by {
            By::Order => self.by_order.get(id).map(|month| Place { month: *month, order: *id }),
            By::Customer => self.by_customer.get(id).copied(),
        }
    }
}

/// What a child refers to its order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The order's id.
    Order,
    /// The order's customer.
    Customer,
}

impl By {
    /// From a contract's `parent.order_column`.
    #[must_use]
    pub fn of(order_column: &str) -> Self {
        if order_column == "customer_id" { Self::Customer } else { Self::Order }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Order => "order_id",
            Self::Customer => "customer_id",
        }
    }
}

/// What `clean.orders` knows of an order.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Where it lives.
    pub place: Place,
    /// Its customer.
    pub customer: Option<Id>,
    /// The drop that said so.
    pub drop: String,
}

/// Looks orders up in `clean.orders` at `base`.
///
/// # Errors
/// From the lake.
pub async fn look_up(lake: &Lake, base: &TableState, by: By, wanted: &HashSet<Id>) -> Result<HashMap<Id, Stored>> {
    let mut found = HashMap::new();
    let columns = ["order_id", "customer_id", DROP_COLUMN];
    for month in base.months() {
        if found.len() == wanted.len() {
            break;
        }
        let files: Vec<_> = base.files_of(Some(month)).collect();
        for batch in lake.read(base, &files, Some(&columns)).await? {
            let rows = FlowError::rows;
            let keys = text(&batch, by.column()).map_err(rows("clean.orders"))?;
            let orders = text(&batch, "order_id").map_err(rows("clean.orders"))?;
            let customers = text(&batch, "customer_id").map_err(rows("clean.orders"))?;
            for (row, key) in ids(keys).enumerate() {
                let Some(key) = key.filter(|key| wanted.contains(key)) else { continue };
                let Some(order) = entrega_operators::keys::id(orders.value(row)) else { continue };
                let drop = batch.column_by_name(DROP_COLUMN).map_or("", |column| dictionary_value(column, row));
                let place = Place { month: days(month), order };
                let customer = entrega_operators::keys::id(customers.value(row));
                found.insert(key, Stored { place, customer, drop: drop.to_owned() });
            }
        }
    }
    Ok(found)
}

fn days(month: NaiveDate) -> i32 {
    days_since_epoch(month)
}
