//! The comparison of two small shops, asked through `DataFusion`: its figures, its page, and what it refuses.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fmt::Write as _};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use chrono::{NaiveDate, TimeDelta};
use datafusion::{execution::context::SessionContext, prelude::SessionConfig};
use entrega_serve::{
    Comparison, ComparisonError, LakeFacts, Quality, QueryError, QuerySource, compare, comparison::Verdict,
};

/// Ninety days of four orders a day, of three sellers and five products. Everything follows from an order's number.
struct Shop {
    session: SessionContext,
    label: &'static str,
}

const HOSTILE: &str = "</script><img src=x onerror=alert(1)>";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A shop whose parcels take so many days longer than those of another.
async fn shop(label: &'static str, slower: i64) -> Shop {
    let config = SessionConfig::new().set_str("datafusion.sql_parser.dialect", "databricks");
    let session = SessionContext::new_with_config(config);
    for function in entrega_engine::functions::scalars() {
        session.register_udf((*function).clone());
    }
    let [mut orders, mut deliveries, mut shipments, mut payments, mut reviews] = [const { Vec::new() }; 5];
    for number in 0..360_i64 {
        let bought = day("2018-01-01").and_hms_opt(6, 30, 0).unwrap()
            + TimeDelta::days(number / 4)
            + TimeDelta::hours(5 * (number % 4) - number % 3);
        let month = bought.format("%Y-%m-01");
        let date = bought.date();
        let handling = TimeDelta::hours(20 + 7 * (number % 9));
        let transit = TimeDelta::hours(90 + 11 * (number % 31) + 24 * slower);
        let (approved, handed) = (bought + TimeDelta::minutes(20), bought + TimeDelta::minutes(20) + handling);
        let received = handed + transit;
        let promised = date + TimeDelta::days(14 + number % 5);
        let delay = (received.date() - promised).num_days();
        let (seller, product) = (number % 3, number % 5);
        let price = 20 + 13 * product;
        let freight = 9 + number % 7;
        let score = if delay > 0 { 1 + number % 3 } else { 5 - number % 2 };
        let status = if number % 50 == 7 { "shipped" } else { "delivered" };
        let state = ["SP", "RJ", "BA"][usize::try_from(number % 3).unwrap()];
        let times =
            format!("timestamp '{bought}', timestamp '{approved}', timestamp '{handed}', timestamp '{received}'");
        orders.push(format!("('o{number}', '{status}', {times}, date '{date}', date '{month}')"));
        deliveries.push(format!(
            "('o{number}', 'u{}', '{status}', {times}, timestamp '{promised} 00:00:00', date '{date}', '{state}', 'city of {state}', \
             's{seller}', 1, 1, {price}.90, {freight}.10, {}.00, timestamp '{}', {score}, 1200, {}, {}, {}, {}, {delay}, {}, {}, {}.5, date '{month}')",
            number % 340,
            price + freight + 1,
            approved + TimeDelta::days(2),
            handling.num_seconds(),
            transit.num_seconds(),
            (received - bought).num_seconds() as f64 / 86_400.0,
            (promised - date).num_days(),
            delay > 0,
            handling.num_hours() > 48,
            100 + 17 * (number % 31),
        ));
        shipments.push(format!(
            "('o{number}', 1, 'p{product}', 's{seller}', '{state}', '{}', {price}.90, {freight}.10, date '{month}')",
            if product == 0 { HOSTILE } else { "health_beauty" }
        ));
        let kind = ["credit_card", "boleto"][usize::from(number % 4 == 0)];
        payments.push(format!("('o{number}', 1, '{kind}', {}, {}.00)", 1 + product, price + freight + 1));
        let asked = received.date() + TimeDelta::days(1);
        let comment = if number % 2 == 0 { "'Bom'" } else { "cast(null as string)" };
        reviews.push(format!(
            "('r{number}', 'o{number}', {score}, {comment}, timestamp '{asked} 00:00:00', timestamp '{} 10:00:00')",
            asked + TimeDelta::days(number % 4)
        ));
    }
    let times =
        "order_purchase_timestamp, order_approved_at, order_delivered_carrier_date, order_delivered_customer_date";
    let products: Vec<_> =
        (0..5).map(|product| format!("('p{product}', {}, {}, 12, 20)", 200 + 300 * product, 16 + product)).collect();
    for (table, columns, rows) in [
        ("orders", format!("order_id, order_status, {times}, purchase_date, purchase_month"), orders),
        (
            "deliveries",
            format!(
                "order_id, customer_unique_id, order_status, {times}, order_estimated_delivery_date, purchase_date, customer_state, \
                 customer_city, seller_id, n_items, n_sellers, price, freight_value, payment_value, shipping_limit_date, review_score, \
                 approval_seconds, handling_seconds, transit_seconds, delivery_days, promised_days, delay_days, is_late, \
                 handover_missed, distance_km, purchase_month"
            ),
            deliveries,
        ),
        (
            "shipments",
            "order_id, order_item_id, product_id, seller_id, seller_state, category, price, freight_value, purchase_month"
                .to_owned(),
            shipments,
        ),
        (
            "order_payments",
            "order_id, payment_sequential, payment_type, payment_installments, payment_value".to_owned(),
            payments,
        ),
        (
            "order_reviews",
            "review_id, order_id, review_score, review_comment_message, review_creation_date, review_answer_timestamp"
                .to_owned(),
            reviews,
        ),
        (
            "products",
            "product_id, product_weight_g, product_length_cm, product_height_cm, product_width_cm".to_owned(),
            products,
        ),
    ] {
        fill(&session, table, &columns, &rows).await;
    }
    Shop { session, label }
}

async fn fill(session: &SessionContext, table: &str, columns: &str, rows: &[String]) {
    for statement in [
        "create schema if not exists clean".to_owned(),
        format!("create table clean.{table} as select * from (values {}) as t({columns})", rows.join(", ")),
    ] {
        session.sql(&statement).await.unwrap_or_else(|error| panic!("{table}: {error}")).collect().await.unwrap();
    }
}

#[async_trait]
impl QuerySource for Shop {
    async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        Ok(self.session.sql(sql).await?.collect().await?)
    }

    fn table_versions(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    fn lake(&self) -> LakeFacts {
        LakeFacts { label: self.label.to_owned(), ..LakeFacts::default() }
    }

    fn quality(&self) -> Quality {
        Quality::default()
    }
}

async fn compared(slower: i64) -> Comparison {
    let (real, simulated) = (shop("real <zip>", 0).await, shop("seed 1", slower).await);
    let mut answered = 0;
    let comparison = compare(&real, &simulated, day("2018-01-01"), day("2018-02-28"), |done, total| {
        answered += 1;
        assert!(done == answered && done <= total);
    });
    comparison.await.unwrap()
}

#[tokio::test]
async fn the_findings_on_two_small_shops() {
    let comparison = compared(3).await;
    let mut out = format!("{}\n", comparison.headline);
    for (chapter, findings) in &comparison.chapters {
        writeln!(out, "\n{chapter}").unwrap();
        for finding in findings {
            let (label, verdict) = (finding.label, finding.verdict.name());
            let (real, simulated, distance) = (&finding.real, &finding.simulated, &finding.distance_text);
            writeln!(out, "{label} | {real} | {simulated} | {distance} | {verdict}").unwrap();
        }
    }
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn a_shop_is_like_itself() {
    for (_, findings) in compared(0).await.chapters {
        for finding in findings {
            assert!(
                matches!(finding.verdict, Verdict::Alike | Verdict::Unknown) && finding.distance.unwrap_or(0.0) < 1e-9,
                "{finding:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_page_holds_everything_and_data_stays_data() {
    let comparison = compared(3).await;
    let html = &comparison.html;
    assert!(!html.contains("<img"), "a category became markup");
    assert!(html.contains("real &lt;zip&gt;"));
    assert_eq!(html.matches("</script>").count(), 5, "the data block and four scripts");
    assert!(html.contains("default-src 'none'") && !html.contains("src=\""), "something is loaded");
    assert!(html.len() < 1_500_000, "{} bytes", html.len());
    for (chapter, findings) in &comparison.chapters {
        assert!(html.contains(chapter));
        for finding in findings {
            assert!(html.contains(finding.label), "{}", finding.label);
        }
    }
}

#[tokio::test]
async fn days_on_which_nobody_bought_are_refused() {
    let (real, simulated) = (shop("the real shop", 0).await, shop("seed 1", 0).await);
    let error = compare(&real, &simulated, day("2019-01-01"), day("2019-02-01"), |_, _| ()).await.unwrap_err();
    assert!(matches!(error, ComparisonError::NoOrders { .. }));
    insta::assert_snapshot!(error.to_string());
}
