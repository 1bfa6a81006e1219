use super::*;
use crate::{known::Known::*, project::Project};

fn clean(table: &str) -> Relation {
    let project = Project::embedded().unwrap();
    let traced = trace(project.contracts(), project.models(), |_| true).unwrap();
    traced[&table.parse::<TableName>().unwrap()].relation.clone()
}

fn known(column: &Column) -> BTreeSet<Known> {
    column.lineage.own.iter().map(|source| source.known).collect()
}

/// The project with one more model, `clean.probe`.
fn probe(columns: &[&str], sql: &str) -> Result<Relation, ModelError> {
    let columns: Vec<_> = columns.iter().map(|name| format!("['{name}', 'STRING', 'x']")).collect();
    let text = format!(
        "/*---\ndescription = 'x'\ngrain = []\nwrite = 'snapshot'\ncolumns = [{}]\n---*/\n{sql}",
        columns.join(", ")
    );
    let model = Model::parse(&"clean.probe".parse().unwrap(), &text)?;
    let project = Project::embedded().unwrap();
    let models: Vec<Model> = project.models().iter().cloned().chain([model]).collect();
    let traced = trace(project.contracts(), &models, |_| true)?;
    Ok(traced[&"clean.probe".parse::<TableName>().unwrap()].relation.clone())
}

fn sources(relation: &Relation, column: &str) -> Vec<String> {
    relation.column(column).unwrap().lineage.own.iter().map(|source| source.name.clone()).collect()
}

#[test]
fn every_model_of_the_project_is_understood() {
    let project = Project::embedded().unwrap();
    let traced = trace(project.contracts(), project.models(), |_| true).unwrap();
    for model in project.models() {
        let found: Vec<_> = traced[&model.table].relation.columns.iter().map(|column| &column.name).collect();
        let declared: Vec<_> = model.columns.iter().map(|column| &column.name).collect();
        assert_eq!(found, declared, "{}", model.table);
    }
}

#[test]
fn deliveries_are_known_when_their_parts_are() {
    let deliveries = clean("clean.deliveries");
    let expected: [(&str, &[Known]); 19] = [
        ("order_id", &[Purchase]),
        ("order_status", &[Never]),
        ("customer_unique_id", &[Purchase]),
        ("order_estimated_delivery_date", &[Purchase]),
        ("order_delivered_customer_date", &[Delivery]),
        ("category", &[Always, Purchase]),
        ("seller_state", &[Always, Purchase]),
        ("n_sellers", &[Purchase]),
        ("price", &[Purchase]),
        ("shipping_limit_date", &[Purchase, Approval]),
        ("payment_type", &[Purchase]),
        ("review_score", &[Purchase, Review, Answer]),
        ("approval_seconds", &[Purchase, Approval]),
        ("handling_seconds", &[Approval, Handover]),
        ("transit_seconds", &[Handover, Delivery]),
        ("promised_days", &[Purchase]),
        ("is_late", &[Purchase, Delivery]),
        ("handover_missed", &[Purchase, Approval, Handover]),
        ("distance_km", &[Always, Purchase]),
    ];
    for (name, events) in expected {
        assert_eq!(known(deliveries.column(name).unwrap()), events.iter().copied().collect(), "{name}");
    }
    let across: Vec<_> =
        deliveries.columns.iter().filter(|column| column.lineage.across).map(|column| &column.name).collect();
    assert!(across.is_empty(), "a row depends on its own order only: {across:?}");
    let rows = deliveries.deciding_rows();
    assert!(rows.own.is_empty(), "every order has its row, whatever else is known of it: {:?}", rows.own);
    let names: Vec<_> =
        deliveries.columns.iter().filter(|column| column.names_order).map(|column| &column.name).collect();
    assert_eq!(names, ["order_id", "customer_id"]);
    let moment = |name: &str| deliveries.column(name).unwrap().moment.clone();
    assert_eq!(
        moment("order_purchase_timestamp"),
        Some(Moment::of_event("orders.order_purchase_timestamp".to_owned(), Purchase, true))
    );
    assert!(moment("order_delivered_customer_date").unwrap().nullable);
    assert_eq!(moment("order_estimated_delivery_date"), None);
}

#[test]
fn only_the_purchase_is_known_of_a_shipment_at_the_purchase() {
    let shipments = clean("clean.shipments");
    assert_eq!(known(shipments.column("handover_missed").unwrap()), [Approval, Handover].into());
    assert_eq!(known(shipments.column("seller_state").unwrap()), [Always, Purchase].into());
}

#[test]
fn days_put_orders_together() {
    let days = clean("summary.delivery_daily");
    let purchased = days.column("purchased").unwrap();
    assert!(purchased.lineage.across);
    assert!(known(purchased).contains(&Never), "the union's rows are decided by order_status, too");
}

#[test]
fn a_union_adds_up_by_position() {
    let relation = probe(
        &["a"],
        "with x as (select price as a from clean.order_items union all select payment_value from clean.order_payments) \
         select x.* from x",
    );
    assert_eq!(sources(&relation.unwrap(), "a"), ["order_items.price", "order_payments.payment_value"]);
}

#[test]
fn conditions_and_windows_are_read() {
    let relation = probe(
        &["a", "b", "c"],
        "select case when order_status = 'delivered' then 1 end as a, \
           sum(1) over w as b, max(order_approved_at) over (order by order_id) as c \
         from clean.orders where order_delivered_customer_date is not null \
         window w as (partition by order_id order by order_purchase_timestamp)",
    )
    .unwrap();
    assert_eq!(sources(&relation, "a"), ["orders.order_status"]);
    let rows = "orders.order_delivered_customer_date";
    assert_eq!(sources(&relation, "b"), [rows, "orders.order_id", "orders.order_purchase_timestamp"]);
    assert_eq!(sources(&relation, "c"), ["orders.order_approved_at", rows, "orders.order_id"]);
    assert!(!relation.column("b").unwrap().lineage.across);
    assert!(relation.column("c").unwrap().lineage.across);
    let rows_read: Vec<_> = relation.deciding_rows().own.iter().map(|source| source.name.clone()).collect();
    assert_eq!(rows_read, [rows]);
}

#[test]
fn a_left_join_that_may_match_twice_decides_rows() {
    let rows = |on: &str| {
        let sql = format!("select o.order_id from clean.orders as o left join clean.order_reviews as r on {on}");
        let relation = probe(&["order_id"], &sql).unwrap();
        relation.deciding_rows().own.iter().map(|source| source.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rows("o.order_id = r.order_id"), ["order_reviews.order_id", "orders.order_id"]);
    let once =
        "select o.order_id from clean.orders as o left join clean.customers as c on o.customer_id = c.customer_id";
    assert!(probe(&["order_id"], once).unwrap().deciding_rows().own.is_empty());
}

#[test]
fn orders_that_meet_elsewhere_are_put_together() {
    let across = |on: &str| {
        let sql = format!("select a.price from clean.order_items as a inner join clean.order_items as b on {on}");
        probe(&["price"], &sql).unwrap().column("price").unwrap().lineage.across
    };
    assert!(!across("a.order_id = b.order_id"));
    assert!(across("a.seller_id = b.seller_id"));
}

#[test]
fn what_is_not_understood_is_an_error_that_names_it() {
    let wrong = [
        ("select colour from clean.orders", "the column `colour`"),
        ("select o.colour from clean.orders as o", "the column `o.colour`"),
        ("select order_id from clean.orders as a cross join clean.orders as b", "the column `order_id`"),
        ("select order_id from steps", "the relation `steps`"),
        ("select (select 1) as a from clean.orders", "the expression `(SELECT 1)`"),
        ("select rand() as a from clean.orders", "the function `rand`"),
        ("select order_id from clean.orders limit 1", "the query"),
        ("select order_id from clean.orders union select order_id from clean.orders", "the query"),
        ("select order_id from clean.orders join clean.customers using (customer_id)", "the join"),
        ("select sum(1) over w as a from clean.orders", "the window `w`"),
    ];
    for (sql, what) in wrong {
        let message = probe(&["a"], sql).unwrap_err().to_string();
        assert!(message.starts_with("clean/probe.sql: cannot tell the lineage of "), "{message}");
        assert!(message.contains(what) && message.contains("\nhint: "), "{message}");
    }
}
