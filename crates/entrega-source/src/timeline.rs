//! When each row of the order system became known.
//!
//! An order has up to four events; every other row appears once, whole:
//!
//! ```text
//!  orders     ●purchase ──── ●approved ──── ●carrier ───── ●delivered     one row in each drop with an event
//!  items      ●
//!  payments   ●  with the purchase
//!  customers  ●
//!  products   ●  with the first purchase of an order that has them
//!  sellers    ●
//!  reviews                                             ● answered (else created, else the order's last event)
//! ```
//!
//! An event that the file dates before its order's purchase (the carrier before the purchase, in 166 real orders)
//! counts at the purchase: nobody could have exported it earlier. A review counts at its own time even when that lies
//! before its order. A row without any time of its own (a product that nobody ever bought, an item of an order that
//! does not exist) was always there: it comes with the first drop.

use std::{borrow::Cow, collections::HashMap};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use entrega_model::drops::Interval;

use crate::{
    RawTable, SourceError, SourceTable,
    records::{split_fields, unquote},
};

/// The timestamp columns of an order that are events, in the order of its life.
pub const ORDER_EVENTS: [&str; 4] =
    ["order_purchase_timestamp", "order_approved_at", "order_delivered_carrier_date", "order_delivered_customer_date"];

/// The status that an order shows once an event is seen, as long as others are to come.
pub const STAGES: [&str; 4] = ["created", "approved", "shipped", "delivered"];

/// When each event of one order became known: never before the purchase, `None` where the file has no timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderLife {
    events: [Option<NaiveDateTime>; 4],
    last: NaiveDateTime,
}

impl OrderLife {
    fn new(purchase: NaiveDateTime, later: [Option<NaiveDateTime>; 3]) -> Self {
        let [approved, carrier, delivered] = later.map(|moment| moment.map(|moment| moment.max(purchase)));
        let events = [Some(purchase), approved, carrier, delivered];
        let last = events.into_iter().flatten().max().unwrap_or(purchase);
        Self { events, last }
    }

    /// The four events, in the order of [`ORDER_EVENTS`].
    #[must_use]
    pub fn events(&self) -> [Option<NaiveDateTime>; 4] {
        self.events
    }

    /// The moment after which nothing changes any more.
    #[must_use]
    pub fn last_event(&self) -> NaiveDateTime {
        self.last
    }

    /// Which of the four are known at `end` (what happens exactly then is not yet).
    #[must_use]
    pub fn known_at(&self, end: NaiveDateTime) -> [bool; 4] {
        self.events.map(|event| event.is_some_and(|moment| moment < end))
    }

    /// The status at `end`: the highest stage seen; `None` once the last event is past, when the file's own holds.
    #[must_use]
    pub fn stage_at(&self, end: NaiveDateTime) -> Option<&'static str> {
        if self.last < end {
            return None;
        }
        let seen = self.known_at(end).iter().rposition(|known| *known).unwrap_or_default();
        Some(STAGES[seen])
    }
}

/// When each row of the nine tables became known.
#[derive(Debug)]
pub struct Timeline {
    orders: Vec<OrderLife>,
    appeared: Vec<Vec<Option<NaiveDateTime>>>,
    span: Interval,
}

impl Timeline {
    /// Reads the events of all rows; `None` if there are no orders.
    pub(crate) fn of(tables: &[RawTable]) -> Result<Option<Self>, SourceError> {
        let order_rows = &tables[SourceTable::Orders.index()];
        if order_rows.is_empty() {
            return Ok(None);
        }
        let Orders { lives: orders, rows: by_order, first_purchases: by_customer } = read_orders(order_rows)?;
        let purchase_of = |key: &[u8]| by_order.get(key).and_then(|row| orders[*row].events[0]);

        let mut appeared = vec![Vec::new(); SourceTable::ALL.len()];
        let items = &tables[SourceTable::Items.index()];
        let mut first_sold: [HashMap<Cow<'_, [u8]>, NaiveDateTime>; 2] = [HashMap::new(), HashMap::new()];
        appeared[SourceTable::Items.index()] = keys(items, ["order_id", "product_id", "seller_id"])
            .map(|[order, product, seller]| {
                let purchase = purchase_of(&order)?;
                for (first, key) in first_sold.iter_mut().zip([product, seller]) {
                    let known = first.entry(key).or_insert(purchase);
                    *known = purchase.min(*known);
                }
                Some(purchase)
            })
            .collect();
        let payments = &tables[SourceTable::Payments.index()];
        appeared[SourceTable::Payments.index()] =
            keys(payments, ["order_id"]).map(|[order]| purchase_of(&order)).collect();
        let customers = &tables[SourceTable::Customers.index()];
        appeared[SourceTable::Customers.index()] =
            keys(customers, ["customer_id"]).map(|[customer]| by_customer.get(&customer).copied()).collect();
        for (first, table, key) in
            [(&first_sold[0], SourceTable::Products, "product_id"), (&first_sold[1], SourceTable::Sellers, "seller_id")]
        {
            let rows = &tables[table.index()];
            appeared[table.index()] = keys(rows, [key]).map(|[key]| first.get(&key).copied()).collect();
        }
        appeared[SourceTable::Reviews.index()] = read_reviews(&tables[SourceTable::Reviews.index()], |order| {
            by_order.get(order).map(|row| orders[*row].last)
        })?;

        let moments = || {
            let order_events = orders.iter().flat_map(|life| life.events).flatten();
            order_events.chain(appeared[SourceTable::Reviews.index()].iter().copied().flatten())
        };
        let (Some(first), Some(last)) = (moments().min(), moments().max()) else {
            return Ok(None);
        };
        let span = Interval {
            start: first.date().and_time(NaiveTime::MIN),
            end: last.date().and_time(NaiveTime::MIN) + TimeDelta::days(1),
        };
        Ok(Some(Self { orders, appeared, span }))
    }

    /// Whole days from the first event to the last.
    #[must_use]
    pub fn span(&self) -> Interval {
        self.span
    }

    /// The day of the first event.
    #[must_use]
    pub fn first_day(&self) -> NaiveDate {
        self.span.start.date()
    }

    /// The day of the last event.
    #[must_use]
    pub fn last_day(&self) -> NaiveDate {
        self.span.end.date() - TimeDelta::days(1)
    }

    /// The lives of the orders, row by row of the orders file.
    #[must_use]
    pub fn orders(&self) -> &[OrderLife] {
        &self.orders
    }

    /// When each row of a table other than the orders appeared; `None`: it was always there. Empty for orders and
    /// snapshots.
    #[must_use]
    pub fn appeared(&self, table: SourceTable) -> &[Option<NaiveDateTime>] {
        &self.appeared[table.index()]
    }
}

/// A value for each key, as the key stands in a file.
type ByKey<'a, V> = HashMap<Cow<'a, [u8]>, V>;

/// What the orders file tells.
struct Orders<'a> {
    lives: Vec<OrderLife>,
    rows: ByKey<'a, usize>,
    first_purchases: ByKey<'a, NaiveDateTime>,
}

/// The orders' lives, the row of each order id, and the first purchase of each customer id.
fn read_orders(rows: &RawTable) -> Result<Orders<'_>, SourceError> {
    let mut lives = Vec::with_capacity(rows.len());
    let mut by_order = HashMap::with_capacity(rows.len());
    let mut by_customer: ByKey<'_, NaiveDateTime> = HashMap::with_capacity(rows.len());
    let [order, customer] = ["order_id", "customer_id"].map(|name| rows.position(name));
    let places = ORDER_EVENTS.map(|name| rows.position(name));
    let mut fields = Vec::new();
    for row in 0..rows.len() {
        split_fields(rows.record(row), &mut fields);
        let mut moments = [None; 4];
        for (moment, (place, column)) in moments.iter_mut().zip(places.into_iter().zip(ORDER_EVENTS)) {
            *moment = timestamp(rows, row, column, fields[place])?;
        }
        let [purchase, later @ ..] = moments;
        let purchase = purchase.ok_or_else(|| unreadable(rows, row, ORDER_EVENTS[0], b""))?;
        lives.push(OrderLife::new(purchase, later));
        by_order.insert(unquote(fields[order]), row);
        let first = by_customer.entry(unquote(fields[customer])).or_insert(purchase);
        *first = purchase.min(*first);
    }
    Ok(Orders { lives, rows: by_order, first_purchases: by_customer })
}

fn read_reviews(
    rows: &RawTable,
    last_event_of: impl Fn(&[u8]) -> Option<NaiveDateTime>,
) -> Result<Vec<Option<NaiveDateTime>>, SourceError> {
    const TIMES: [&str; 2] = ["review_answer_timestamp", "review_creation_date"];
    let places = TIMES.map(|name| rows.position(name));
    let order = rows.position("order_id");
    let mut fields = Vec::new();
    let mut appeared = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        split_fields(rows.record(row), &mut fields);
        let answered = timestamp(rows, row, TIMES[0], fields[places[0]])?;
        let created = timestamp(rows, row, TIMES[1], fields[places[1]])?;
        appeared.push(answered.or(created).or_else(|| last_event_of(&unquote(fields[order]))));
    }
    Ok(appeared)
}

/// The texts of some columns, row by row.
fn keys<'a, const N: usize>(
    rows: &'a RawTable,
    columns: [&str; N],
) -> impl Iterator<Item = [Cow<'a, [u8]>; N]> + use<'a, N> {
    let places = columns.map(|name| rows.position(name));
    let mut fields = Vec::new();
    (0..rows.len()).map(move |row| {
        split_fields(rows.record(row), &mut fields);
        places.map(|place| unquote(fields[place]))
    })
}

fn timestamp(
    rows: &RawTable,
    row: usize,
    column: &'static str,
    field: &[u8],
) -> Result<Option<NaiveDateTime>, SourceError> {
    let text = unquote(field);
    let text = text.trim_ascii();
    if text.is_empty() {
        return Ok(None);
    }
    parse_timestamp(text).map(Some).ok_or_else(|| unreadable(rows, row, column, text))
}

fn unreadable(rows: &RawTable, row: usize, column: &'static str, value: &[u8]) -> SourceError {
    SourceError::Timestamp {
        file: rows.table().file().to_owned(),
        line: rows.line(row),
        column,
        value: String::from_utf8_lossy(value).into_owned(),
    }
}

/// `2018-03-01 07:15:00`, and nothing else.
fn parse_timestamp(text: &[u8]) -> Option<NaiveDateTime> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b' ' | b'T', h1, h2, b':', n1, n2, b':', s1, s2] = *text else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0_u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?.and_hms_opt(
        number(&[h1, h2])?,
        number(&[n1, n2])?,
        number(&[s1, s2])?,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        parse_timestamp(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_event_before_the_purchase_counts_at_the_purchase() {
        let purchase = at("2018-01-05 10:00:00");
        let life = OrderLife::new(purchase, [None, Some(at("2018-01-04 09:00:00")), Some(at("2018-01-09 12:00:00"))]);
        assert_eq!(life.events()[2], Some(purchase));
        assert_eq!(life.known_at(at("2018-01-05 11:00:00")), [true, false, true, false]);
        assert_eq!(life.stage_at(at("2018-01-05 11:00:00")), Some("shipped"));
        assert_eq!(life.stage_at(at("2018-01-09 12:00:00")), Some("shipped"), "the end of an interval is outside");
        assert_eq!(life.stage_at(at("2018-01-09 12:00:01")), None);
    }

    #[test]
    fn timestamps_are_read_strictly() {
        assert!(parse_timestamp(b"2018-02-28 23:59:59").is_some());
        for bad in
            ["2018-02-29 00:00:00", "2018-2-01 00:00:00", "2018-02-01", "2018-02-01 24:00:00", "01/02/2018 10:00:00"]
        {
            assert!(parse_timestamp(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
