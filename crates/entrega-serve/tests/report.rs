//! The report over a small shop, asked through `DataFusion`: its figures, its agreement with the queries it names, and
//! what hostile data can do to the page.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Write as _};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use datafusion::{execution::context::SessionContext, prelude::SessionConfig};
use entrega_model::metrics::Unit;
use entrega_serve::{LakeFacts, Quality, QueryError, QuerySource, Report, ReportError, ReportOptions, build_report};

/// Forty days of a shop with two states, two categories and two sellers. Every day 4 orders are bought and 4 delivered; in
/// the last week the orders of the hostile category to Bahia come late.
struct Shop {
    session: SessionContext,
    as_of: &'static str,
}

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";
const GOOD_SELLER: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const LATE_SELLER: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn last_day() -> NaiveDate {
    "2018-03-11".parse().unwrap()
}

fn days() -> impl Iterator<Item = NaiveDate> {
    (0..40).rev().map(|back| last_day() - TimeDelta::days(back))
}

/// The measures of a day for one half of the shop, from `purchased` to `review_score`, and the month.
fn measures(day: NaiveDate, late: bool) -> String {
    let delivered_late = i32::from(late && day > last_day() - TimeDelta::days(7));
    let month = day.format("%Y-%m-01");
    let missed = delivered_late;
    format!(
        "2, 100.50, 20.00, 0, 0, 2, 2, {missed}, 172800, 2, 2, {delivered_late}, 1296000, 2, -8, 1000000, 2, 2, {delivered_late}, 2, {}, date '{month}'",
        9 - 2 * delivered_late
    )
}

const MEASURES: &str = "purchased, price, freight_value, canceled, unavailable, approved, handed_over, handover_missed, \
    handling_seconds, handling_count, delivered, delivered_late, delivery_seconds, delivery_count, delay_days, \
    transit_seconds, transit_count, due, due_missed, reviews, review_score, month";

async fn shop() -> Shop {
    let config = SessionConfig::new().set_str("datafusion.sql_parser.dialect", "databricks");
    let session = SessionContext::new_with_config(config);
    let daily = |key: &dyn Fn(bool) -> String| {
        let mut rows = Vec::new();
        for day in days() {
            for late in [false, true] {
                rows.push(format!("(date '{day}', {}, {})", key(late), measures(day, late)));
            }
        }
        rows.join(", ")
    };
    let by_state = daily(&|late| {
        if late { format!("'BA', '{HOSTILE}'") } else { "'SP', 'health_beauty'".to_owned() }
    });
    let by_seller = daily(&|late| format!("'{}'", if late { LATE_SELLER } else { GOOD_SELLER }));
    let by_route = daily(&|late| format!("'SP', '{}'", if late { "BA" } else { "SP" }));
    let delivery_days: Vec<_> =
        days().map(|day| format!("(date '{day}', 'SP', 7, 4, date '{}')", day.format("%Y-%m-01"))).collect();
    let mut deliveries = String::new();
    for (number, day) in days().enumerate() {
        // Bought on `day`, promised 10 days later; one in ten never arrives, the others after 7 days.
        let delivered = if number % 10 == 0 {
            "cast(null as timestamp)".to_owned()
        } else {
            format!("timestamp '{} 12:00:00'", day + TimeDelta::days(7))
        };
        let comma = if number == 0 { "" } else { ", " };
        let promise = day + TimeDelta::days(10);
        write!(deliveries, "{comma}(date '{day}', timestamp '{day} 08:00:00', timestamp '{day} 09:00:00', timestamp '{day} 20:00:00', {delivered}, timestamp '{promise} 00:00:00', 'shipped')").unwrap();
    }
    for statement in [
        "create schema summary".to_owned(),
        "create schema clean".to_owned(),
        format!(
            "create table summary.delivery_daily as select * from (values {by_state}) as t(date, customer_state, category, {MEASURES})"
        ),
        format!(
            "create table summary.seller_daily as select * from (values {by_seller}) as t(date, seller_id, {MEASURES})"
        ),
        format!(
            "create table summary.route_daily as select * from (values {by_route}) as t(date, seller_state, customer_state, {MEASURES})"
        ),
        format!(
            "create table summary.delivery_days_daily as select * from (values {}) as t(date, customer_state, delivery_days, delivered, month)",
            delivery_days.join(", ")
        ),
        format!(
            "create table clean.deliveries as select * from (values {deliveries}) as t(purchase_date, order_purchase_timestamp, order_approved_at, order_delivered_carrier_date, order_delivered_customer_date, order_estimated_delivery_date, order_status)"
        ),
        format!(
            "create table clean.sellers as select * from (values ('{GOOD_SELLER}', 'sao paulo', 'SP'), ('{LATE_SELLER}', '<b>campinas</b>', 'SP')) as t(seller_id, seller_city, seller_state)"
        ),
        format!("create table clean.products as select * from (values ('p', '{HOSTILE}')) as t(product_id, category)"),
        format!(
            "create table summary.late_to_carrier as select * from (values ('o1', 1, '{LATE_SELLER}', timestamp '2018-03-09 10:00:00', cast(19.9 as decimal(12,2)), cast(5 as decimal(12,2)), 'p', '{HOSTILE}', 'c1', 'shipped', timestamp '2018-03-05 10:00:00', timestamp '2018-03-11 16:00:00', cast(null as timestamp), timestamp '2018-03-20 00:00:00')) as t(order_id, order_item_id, seller_id, shipping_limit_date, price, freight_value, product_id, product_category_name, customer_id, order_status, order_purchase_timestamp, order_delivered_carrier_date, order_delivered_customer_date, order_estimated_delivery_date)"
        ),
    ] {
        session.sql(&statement).await.unwrap_or_else(|error| panic!("{error}\n{statement}")).collect().await.unwrap();
    }
    Shop { session, as_of: "2018-03-12T00:00:00" }
}

#[async_trait]
impl QuerySource for Shop {
    async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        Ok(self.session.sql(sql).await?.collect().await?)
    }

    fn table_versions(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("summary.delivery_daily".to_owned(), 12), ("clean.deliveries".to_owned(), 7)])
    }

    fn lake(&self) -> LakeFacts {
        LakeFacts {
            label: "memory <lake>".to_owned(),
            as_of: self.as_of.parse().unwrap(),
            batch: Some("b-1".to_owned()),
        }
    }

    fn quality(&self) -> Quality {
        Quality { reconciled: true, ..Quality::default() }
    }
}

async fn report(options: ReportOptions) -> Result<Report, ReportError> {
    build_report(&shop().await, options).await
}

#[tokio::test]
async fn the_figures_of_a_small_shop() {
    let report = report(ReportOptions::default()).await.unwrap();
    let mut out = format!("{}\n\n", report.headline);
    for figure in &report.figures {
        writeln!(out, "{}: {} | {} | {} {}", figure.label, figure.text, figure.out_of, figure.tone, figure.remark)
            .unwrap();
        for other in &figure.comparisons {
            writeln!(out, "    {}: {} {} {}", other.label, other.text, other.out_of, other.change).unwrap();
        }
    }
    writeln!(out, "\n{}:\n{}", report.csv_name, report.late_to_carrier_csv.replace("\r\n", "\n")).unwrap();
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn the_query_beside_a_figure_gives_that_figure() {
    let shop = shop().await;
    let report = build_report(&shop, ReportOptions::default()).await.unwrap();
    assert_eq!(report.date, last_day());
    for figure in &report.figures {
        let batches = shop.query(&figure.sql).await.unwrap_or_else(|error| panic!("{}: {error}", figure.name));
        let column = batches[0].column_by_name("value").unwrap();
        let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Float64).unwrap();
        let value = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float64Type>(&column).value(0);
        let shown = figure.value.unwrap();
        assert!((value - shown).abs() < 1e-9, "{}: the query says {value}, the report {shown}", figure.name);
    }
    assert_eq!(entrega_model::metrics::metric("revenue").unwrap().unit, Unit::Reais);
}

#[tokio::test]
async fn data_stays_data() {
    let report = report(ReportOptions::default()).await.unwrap();
    assert!(!report.html.contains("<img"), "a category became markup");
    assert!(!report.html.contains("<b>campinas"), "a city became markup");
    assert!(report.html.contains("&lt;b&gt;campinas"));
    assert!(report.html.contains("memory &lt;lake&gt;"));
    assert_eq!(report.html.matches("</script>").count(), 5, "the data block and four scripts");
    assert!(report.html.contains("default-src &#39;none&#39;") || report.html.contains("default-src 'none'"));
    assert!(report.html.len() < 1_500_000, "{} bytes", report.html.len());
}

#[tokio::test]
async fn every_section_names_its_tables_and_queries() {
    let report = report(ReportOptions::default()).await.unwrap();
    assert!(report.html.contains("summary.delivery_daily version 12"));
    assert!(report.html.contains("clean.deliveries version 7"));
    assert!(report.html.matches("<details class=\"source\">").count() >= 7);
}

#[tokio::test]
async fn a_day_outside_the_data_is_refused_with_the_days_there_are() {
    let date = Some("2019-01-01".parse().unwrap());
    let error = report(ReportOptions { date }).await.unwrap_err();
    insta::assert_snapshot!(error.to_string());
}

#[tokio::test]
async fn a_day_that_still_runs_says_so() {
    let shop = Shop { as_of: "2018-03-11T15:00:00", ..shop().await };
    let default = build_report(&shop, ReportOptions::default()).await.unwrap();
    assert_eq!(default.date.to_string(), "2018-03-10");
    let wanted = build_report(&shop, ReportOptions { date: Some(last_day()) }).await.unwrap();
    assert!(wanted.html.contains("had not ended"));
}
