//! The classic report: the items that were handed to the carrier too late on the day, as a table and as CSV.

use chrono::{NaiveDate, NaiveDateTime};

use super::breakdown::{Cell, Table, columns, short_id, text};
use crate::{format, rows::Rows};

/// The columns of the CSV, in the order that the classic report has.
const CSV_COLUMNS: [&str; 14] = [
    "order_id",
    "order_item_id",
    "seller_id",
    "shipping_limit_date",
    "price",
    "freight_value",
    "product_id",
    "product_category_name",
    "customer_id",
    "order_status",
    "order_purchase_timestamp",
    "order_delivered_carrier_date",
    "order_delivered_customer_date",
    "order_estimated_delivery_date",
];

/// The items of the day with what the table says besides: English category, seller's place. Money is asked for as text, so
/// that the CSV has it to the cent.
pub(super) fn sql(date: NaiveDate) -> String {
    let items = CSV_COLUMNS
        .iter()
        .map(|name| match *name {
            "price" | "freight_value" => format!("cast(items.{name} as string) as {name}"),
            name => format!("items.{name}"),
        })
        .collect::<Vec<_>>()
        .join(",\n  ");
    format!(
        "select\n  {items},\n  products.category, sellers.seller_city, sellers.seller_state\nfrom summary.late_to_carrier as \
         items\nleft join clean.products as products on items.product_id = products.product_id\nleft join clean.sellers as \
         sellers on items.seller_id = sellers.seller_id\nwhere cast(items.order_delivered_carrier_date as date) = date '{date}'"
    )
}

/// One item, as the table needs it.
struct Item {
    row: usize,
    days_late: f64,
}

fn items(rows: &Rows) -> Vec<Item> {
    let mut items: Vec<_> = (0..rows.len)
        .map(|row| {
            let (limit, carrier) =
                (time(rows, "shipping_limit_date", row), time(rows, "order_delivered_carrier_date", row));
            #[allow(clippy::cast_precision_loss, reason = "seconds of a few years")]
            let days_late =
                limit.zip(carrier).map_or(0.0, |(limit, carrier)| (carrier - limit).num_seconds() as f64 / 86_400.0);
            Item { row, days_late }
        })
        .collect();
    let key = |row: usize| (rows.text("order_id", row), rows.number("order_item_id", row).map(f64::to_bits));
    items.sort_by(|a, b| b.days_late.total_cmp(&a.days_late).then_with(|| key(a.row).cmp(&key(b.row))));
    items
}

/// The latest `limit` items as a table.
pub(super) fn table(rows: &Rows, limit: usize) -> Table {
    let items = items(rows);
    let shown = items
        .iter()
        .take(limit)
        .map(|item| {
            let row = item.row;
            let id = |name: &str| {
                let id = rows.text(name, row).unwrap_or_default();
                Cell { text: short_id(id), title: id.to_owned(), ..Cell::default() }
            };
            let place = rows
                .text("seller_city", row)
                .zip(rows.text("seller_state", row))
                .map_or_else(String::new, |(city, state)| format!("{city}, {state}"));
            let money = rows.text("price", row).and_then(|price| price.parse().ok()).unwrap_or(0.0);
            let delivered = time(rows, "order_delivered_customer_date", row).map(|time| time.date());
            let promised = time(rows, "order_estimated_delivery_date", row).map(|time| time.date());
            let outcome = match (delivered, promised) {
                (Some(delivered), Some(promised)) if delivered > promised => {
                    format!("{} late", days((delivered - promised).num_days()))
                }
                (Some(_), _) => "on time".to_owned(),
                (None, _) => rows.text("order_status", row).unwrap_or("open").to_owned(),
            };
            vec![
                Cell { small: place, ..id("seller_id") },
                text(lateness(item.days_late)),
                text(minutes(rows, "shipping_limit_date", row)),
                text(minutes(rows, "order_delivered_carrier_date", row)),
                id("order_id"),
                text(format::category_name(rows.text("category", row).unwrap_or("unknown"))),
                text(format!("R$\u{a0}{}", format::decimal(money, 2))),
                text(promised.map_or_else(|| "–".to_owned(), format::short_date)),
                text(outcome),
            ]
        })
        .collect();
    let left = items.len().saturating_sub(limit);
    let rest = if left > 0 { format!("{left} more in the CSV file beside this report.") } else { String::new() };
    let heads = [
        ("Seller", false),
        ("Late by", true),
        ("Shipping limit", true),
        ("Handed over", true),
        ("Order", false),
        ("Category", false),
        ("Price", true),
        ("Promised", true),
        ("Then delivered", false),
    ];
    Table { columns: columns(&heads), rows: shown, rest }
}

/// All items as CSV with a head, the latest first; timestamps `YYYY-MM-DD HH:MM:SS`, missing values empty.
pub(super) fn csv(rows: &Rows) -> String {
    let mut out = CSV_COLUMNS.join(",");
    out.push_str("\r\n");
    for item in items(rows) {
        let fields: Vec<_> = CSV_COLUMNS
            .iter()
            .map(|name| match rows.text(name, item.row) {
                Some(value) if name.ends_with("_date") || name.ends_with("_timestamp") => seconds(value),
                Some(value) => quoted(value),
                None => rows.number(name, item.row).map_or_else(String::new, |number| format!("{number}")),
            })
            .collect();
        out.push_str(&fields.join(","));
        out.push_str("\r\n");
    }
    out
}

fn quoted(value: &str) -> String {
    if value.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

fn seconds(value: &str) -> String {
    value.replace('T', " ").chars().take(19).collect()
}

fn time(rows: &Rows, name: &str, row: usize) -> Option<NaiveDateTime> {
    seconds(rows.text(name, row)?).replace(' ', "T").parse().ok()
}

fn minutes(rows: &Rows, name: &str, row: usize) -> String {
    time(rows, name, row).map_or_else(|| "–".to_owned(), |time| time.format("%-d %b %H:%M").to_string())
}

/// How late, in the unit that says it best.
fn lateness(days: f64) -> String {
    let hours = days * 24.0;
    match hours {
        short if short < 1.0 => format!("{}\u{202f}min", format::decimal((hours * 60.0).max(1.0), 0)),
        short if short < 24.0 => format!("{}\u{202f}h", format::decimal(hours, 0)),
        _ => format!("{}\u{202f}d", format::decimal(days, 1)),
    }
}

fn days(number: i64) -> String {
    if number == 1 { "1 day".to_owned() } else { format!("{number} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_their_readers_need() {
        assert_eq!(
            (lateness(0.001), lateness(0.5), lateness(3.24)),
            ("1\u{202f}min".into(), "12\u{202f}h".into(), "3.2\u{202f}d".into())
        );
        assert_eq!(quoted("beleza_saude"), "beleza_saude");
        assert_eq!(quoted("a \"b\", c"), "\"a \"\"b\"\", c\"");
        assert_eq!(seconds("2018-08-23T10:11:12.000000"), "2018-08-23 10:11:12");
    }
}
