use super::*;
use crate::project::Project;

/// The embedded project, with the models `features.probe` and `features.labels` as the only ones of that layer.
fn project_with(text: &str) -> Result<Project, ModelError> {
    project_of([("features/probe.sql".to_owned(), text.to_owned())])
}

fn project_of(features: impl IntoIterator<Item = (String, String)>) -> Result<Project, ModelError> {
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models");
    let mut files: Vec<(String, String)> = features.into_iter().collect();
    for layer in ["landing", "clean"] {
        for entry in std::fs::read_dir(models.join(layer)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{layer}/{}", entry.file_name().to_string_lossy());
            files.push((name, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
    let labels = "/*---\ndescription = 'x'\ngrain = ['order_id']\nwrite = 'snapshot'\ncolumns = [['order_id', 'STRING', 'x'], \
                  ['label_is_late', 'BOOLEAN', 'x'], ['matured_at', 'TIMESTAMP', 'x']]\n---*/\n\
                  select order_id, is_late as label_is_late, order_estimated_delivery_date as matured_at \
                  from clean.deliveries where order_status <> 'canceled'";
    files.push(("features/labels.sql".to_owned(), labels.to_owned()));
    Project::parse(files)
}

const AT_PURCHASE: &str = include_str!("tests/at_purchase.sql");
const AT_HANDOVER: &str = include_str!("tests/at_handover.sql");

/// What the linter says of a good model in which one text was replaced by another.
fn refusal(model: &str, changes: &[(&str, &str)]) -> String {
    let mut text = model.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the model does not say: {from}");
        text = text.replacen(from, to, 1);
    }
    match project_with(&text) {
        Ok(_) => String::from("no violation"),
        Err(error) => error.to_string(),
    }
}

fn refused(changes: &[(&str, &str)], expected: &[&str]) {
    let message = refusal(AT_PURCHASE, changes);
    for part in expected {
        assert!(message.contains(part), "`{part}` is not said:\n{message}");
    }
    assert!(message.contains("\nhint: "), "{message}");
}

#[test]
fn every_landing_column_says_when_it_is_known() {
    let project = Project::embedded().unwrap();
    let known = |source: &str, column: &str| project.contract(source).unwrap().column(column).unwrap().known();
    assert_eq!(known("orders", "order_estimated_delivery_date"), Known::Purchase);
    assert_eq!(known("orders", "order_status"), Known::Never);
    assert_eq!(known("order_items", "shipping_limit_date"), Known::Approval);
    assert_eq!(known("order_reviews", "review_answer_timestamp"), Known::Answer);
    let moments = project.contracts().iter().flat_map(|contract| &contract.columns).filter(|column| column.moment);
    let moments: Vec<_> = moments.map(|column| (column.name.as_str(), column.known())).collect();
    assert_eq!(
        moments,
        [
            ("order_purchase_timestamp", Known::Purchase),
            ("order_approved_at", Known::Approval),
            ("order_delivered_carrier_date", Known::Handover),
            ("order_delivered_customer_date", Known::Delivery),
            ("review_creation_date", Known::Review),
            ("review_answer_timestamp", Known::Answer),
        ]
    );
}

#[test]
fn good_models_pass() {
    for model in [AT_PURCHASE, AT_HANDOVER] {
        if let Err(error) = project_with(model) {
            panic!("{error}");
        }
    }
}

#[test]
fn the_dictionary_tells_sources_knowledge_and_windows() {
    let project = project_with(AT_PURCHASE).unwrap();
    let dictionary = dictionary(&project, &"features.probe".parse().unwrap()).unwrap();
    let feature = |name: &str| dictionary.iter().find(|feature| feature.name == name).unwrap();
    let promised = feature("promised_days");
    assert_eq!(promised.sources, ["deliveries.promised_days"]);
    assert_eq!(
        promised.own,
        [
            ("orders.order_estimated_delivery_date".to_owned(), Known::Purchase),
            ("orders.order_purchase_timestamp".to_owned(), Known::Purchase)
        ]
    );
    assert!(promised.past.is_empty() && promised.windows.is_empty());
    let late = feature("seller_late_share_30d");
    assert_eq!(late.sources, ["deliveries.is_late", "deliveries.seller_id"]);
    assert!(late.own.is_empty());
    assert!(late.past.contains(&("orders.order_delivered_customer_date".to_owned(), Known::Delivery)), "{late:?}");
    assert_eq!(late.windows, [Some(2_592_000)]);
    assert_eq!(feature("seller_open").windows, [None]);
    assert!(serde_json::to_string(&dictionary).unwrap().contains("\"delivery\""));
}

const PROMISED: &str = "orders.promised_days,";

#[test]
fn a_feature_known_only_later_is_refused() {
    refused(
        &[(PROMISED, "orders.transit_seconds as promised_days,")],
        &["- promised_days: reads orders.order_delivered_customer_date, known at the delivery", "at the purchase"],
    );
    refused(
        &[
            (PROMISED, "orders.shipping_limit_date as promised_days,"),
            ("promised_days, is_late", "promised_days, shipping_limit_date, is_late"),
        ],
        &["- promised_days: reads order_items.shipping_limit_date, known at the approval"],
    );
    refused(
        &[
            (PROMISED, "orders.order_status as promised_days,"),
            ("promised_days, is_late", "promised_days, order_status, is_late"),
        ],
        &["- promised_days: reads orders.order_status, known at no event"],
    );
    refused(
        &[(PROMISED, "case when orders.delivered_at is null then 1 end as promised_days,")],
        &["- promised_days: reads orders.order_delivered_customer_date"],
    );
}

#[test]
fn rows_that_only_the_future_knows_are_refused() {
    refused(
        &[("where past.decided_at is not null", "where past.decided_at is not null and orders.is_late")],
        &["- which rows there are: reads orders.order_delivered_customer_date"],
    );
    refused(
        &[("left join features.labels", "inner join features.labels")],
        &["- which rows there are: reads orders.order_status"],
    );
    refused(&[("  where past.decided_at is not null", "")], &["- decided_at: rows of an event log are left"]);
}

const FRAME: &str = "range between 2592000 preceding and 1 preceding";

#[test]
fn a_window_that_does_not_end_before_its_row_is_refused() {
    let framed = |frame: &str, reason: &str| {
        refused(&[(FRAME, frame)], &["- seller_late_share_30d: reads orders.order_delivered_customer_date", reason]);
    };
    framed("range between 2592000 preceding and current row", "it ends at CURRENT ROW; end it at 1 preceding");
    framed("range between 2592000 preceding and 0 preceding", "it ends at 0 PRECEDING");
    framed("range 2592000 preceding", "it ends at CURRENT ROW");
    framed("rows between 30 preceding and 1 preceding", "it counts ROWS, not time");
    framed("", "it has no frame");
    refused(&[("order by at range between 2592000", "order by at desc range between 2592000")], &["ascending"]);
    refused(&[("sum(late) over", "lag(late) over")], &["keep to a frame"]);
    refused(&[("from events window", "from events where late = 0 window")], &["it must stand alone over one step"]);
}

const AT_DELIVERY: &str = "cast(null as timestamp), delivered_at, seller_id";

#[test]
fn an_event_that_is_no_moment_is_refused() {
    let moment = |at: &str, reason: &str| {
        let branch = format!("cast(null as timestamp), {at}, seller_id");
        refused(&[(AT_DELIVERY, &branch)], &["- events.at, branch 3: windows order by it, but it", reason]);
    };
    moment("unix_timestamp(promised_at)", "is no moment");
    moment("delivered_at - 1", "is no moment");
    moment("delivered_at + -1", "is no moment");
    moment("greatest(handed_over_at, purchased_at)", "is no moment");
    moment("coalesce(handed_over_at, purchased_at)", "is no moment");
    moment("least(delivered_at, unix_timestamp(promised_at))", "is no moment");
    moment("case when is_late then purchased_at end", "is no moment");
    refused(&[("where handed_over_at <= given_up_at and", "where")], &["- events.at, branch 2", "may be NULL"]);
}

#[test]
fn an_event_that_tells_a_later_one_is_refused() {
    refused(
        &[(AT_DELIVERY, "cast(null as timestamp), least(handed_over_at, delivered_at), seller_id")],
        &["- events, branch 3: the value of late reads orders.order_delivered_customer_date (known at the delivery)"],
    );
    refused(
        &[(
            "seller_id, route, 0, 0, 0, 0 from timed where handed_over_at",
            "seller_id, route, 0, 0, delay_days, 0 from timed where handed_over_at",
        )],
        &[
            "- events, branch 2: the value of late reads orders.order_delivered_customer_date",
            "surely happened by the branch's moment `at` is only: purchase, handover",
        ],
    );
    refused(
        &[("from timed -- purchases", "from timed where is_late")],
        &["- events, branch 1: what decides its rows reads orders.order_delivered_customer_date"],
    );
    refused(
        &[
            (
                "cast(null as timestamp), handed_over_at, seller_id",
                "cast(null as timestamp), handed_over_at, cast(shipping_limit_date as string)",
            ),
            ("promised_days, is_late", "promised_days, shipping_limit_date, is_late"),
        ],
        &["- events, branch 2: the value of seller_id reads order_items.shipping_limit_date"],
    );
    refused(
        &[("case when handed_over_at <= delivered_at then transit_seconds else 0 end", "transit_seconds")],
        &[
            "- events, branch 3: the value of transit_seconds reads orders.order_delivered_carrier_date (known at the handover)",
        ],
    );
}

#[test]
fn whether_something_will_ever_happen_is_not_known() {
    let waiting = "coalesce(delivered_at > handed_over_at, true)";
    let later = |condition: &str| refusal(AT_PURCHASE, &[(waiting, condition)]);
    assert_eq!(later("(delivered_at is null or delivered_at > handed_over_at)"), "no violation");
    assert_eq!(later("not coalesce(handed_over_at >= delivered_at, false)"), "no violation");
    for condition in [
        "delivered_at > handed_over_at",
        "coalesce(delivered_at > handed_over_at, false)",
        "not (delivered_at <= handed_over_at)",
        "delivered_at is null",
        "coalesce(delivered_at > purchased_at, true)",
    ] {
        let message = later(condition);
        assert!(
            message.contains("- events, branch 2: what decides its rows reads orders.order_delivered_customer_date"),
            "{message}"
        );
    }
}

#[test]
fn a_measure_is_read_through_windows_only() {
    refused(
        &[("order_id, decided_at,", "order_id, decided_at, late as told,"), (PROMISED, "past.told as promised_days,")],
        &["- promised_days: reads orders.order_delivered_customer_date"],
    );
}

#[test]
fn a_branch_says_no_more_than_its_event() {
    let approvals = "case when order_approved_at is not null then \
                     unix_timestamp(greatest(order_approved_at, order_purchase_timestamp)) end as approved_at, \
                     unix_timestamp(order_purchase_timestamp) as purchased_at";
    let changes = |measure: &str| {
        let branch = format!("cast(null as timestamp), approved_at, seller_id, route, 0, 0, {measure}, 0");
        let handed_over = "cast(null as timestamp), handed_over_at, seller_id, route, 0, 0, 0, 0";
        let waiting = "where handed_over_at <= given_up_at and coalesce(delivered_at > handed_over_at, true)";
        refusal(
            AT_PURCHASE,
            &[
                ("unix_timestamp(order_purchase_timestamp) as purchased_at", approvals),
                (handed_over, &branch),
                (waiting, "where approved_at is not null"),
            ],
        )
    };
    assert_eq!(changes("0"), "no violation");
    let message = changes("delay_days");
    let early =
        "- events, branch 2: the value of late reads orders.order_delivered_customer_date (known at the delivery)";
    assert!(message.contains(early), "{message}");
    assert!(message.contains("is only: purchase, approval"), "{message}");
}

#[test]
fn a_model_without_a_decision_proves_nothing() {
    let files = |first: &str| {
        let probe = AT_HANDOVER.to_owned();
        let passes_on = "/*---\ndescription = 'x'\ngrain = ['order_id']\nwrite = 'snapshot'\n\
                         columns = [['order_id', 'STRING', 'x'], ['seller_handed_over_7d', 'BIGINT', 'x']]\n---*/\n\
                         select order_id, seller_handed_over_7d from features.probe";
        let reads = format!(
            "/*---\ndescription = 'x'\ngrain = ['order_id']\nwrite = 'snapshot'\ndecision = 'purchase'\n\
             columns = [['order_id', 'STRING', 'x'], ['decided_at', 'TIMESTAMP', 'x'], \
             ['seller_handed_over_7d', 'BIGINT', 'x', 'orders', 'seller_handed_over_7d']]\n---*/\n\
             select o.order_id, o.order_purchase_timestamp as decided_at, f.seller_handed_over_7d \
             from clean.orders as o left join {first} as f on f.order_id = o.order_id"
        );
        [("probe", probe), ("passes_on", passes_on.to_owned()), ("reads", reads)]
    };
    let refused = |first: &str| {
        project_of(files(first).map(|(name, text)| (format!("features/{name}.sql"), text))).unwrap_err().to_string()
    };
    let direct = refused("features.probe");
    assert!(direct.contains("- features.probe: it is read here, but made for a later decision"), "{direct}");
    let through = refused("features.passes_on");
    assert!(through.contains("- seller_handed_over_7d: reads orders.order_delivered_carrier_date"), "{through}");
}

#[test]
fn other_orders_are_read_through_windows_only() {
    refused(
        &[(PROMISED, "sum(orders.promised_days) over (partition by orders.seller_id) as promised_days,")],
        &["- promised_days: puts rows of different orders together, later ones too"],
    );
    refused(
        &[
            ("on past.order_id = orders.order_id", "on past.seller_id = orders.seller_id"),
            ("order_id, decided_at,", "order_id, decided_at, seller_id,"),
        ],
        &["- promised_days: puts rows of different orders together"],
    );
}

#[test]
fn windows_end_at_the_decision() {
    let moved = [
        (
            "select order_id, order_purchase_timestamp as decided_at, purchased_at as at",
            "select order_id, cast(null as timestamp) as decided_at, purchased_at as at",
        ),
        (AT_DELIVERY, "order_purchase_timestamp, delivered_at, seller_id"),
    ];
    refused(&moved, &["- decided_at: rows of an event log are left that are not the decision"]);
    refused(
        &[
            moved[0],
            (
                AT_DELIVERY,
                "case when delivered_at is not null then greatest(order_delivered_customer_date, order_purchase_timestamp) end, delivered_at, seller_id",
            ),
            ("is_late, delay_days", "is_late, order_delivered_customer_date, delay_days"),
        ],
        &["- decided_at: it must be the moment of the decision, orders.order_purchase_timestamp"],
    );
}

#[test]
fn sources_and_units_are_declared_as_they_are() {
    refused(
        &[("\"days\", \"promised_days\"", "\"days\", \"\"")],
        &["- promised_days: it is computed from deliveries.promised_days, which its sources do not name"],
    );
    refused(
        &[("\"days\", \"promised_days\"", "\"\", \"promised_days\"")],
        &["- promised_days: nobody says what it is measured in"],
    );
    refused(
        &[("\"promised_days\"]", "\"promised_days, price\"]")],
        &["- promised_days: its sources name price, from which it is not computed"],
    );
    refused(&[("\"promised_days\"]", "\"promised_days, colour\"]")], &["its sources name colour, which no table"]);
    refused(&[("\"is_late, seller_id\"", "\"is_late\"")], &["it is computed from deliveries.seller_id"]);
    // What only decides whether a value counts may be named, or not.
    assert_eq!(
        refusal(
            AT_PURCHASE,
            &[("\"is_late, seller_id\"", "\"is_late, deliveries.seller_id, order_delivered_customer_date\"")]
        ),
        "no violation"
    );
}

#[test]
fn at_the_handover_more_is_known_but_not_the_delivery() {
    let message = refusal(AT_HANDOVER, &[("orders.handover_missed,", "orders.is_late as handover_missed,")]);
    assert!(
        message.contains("- handover_missed: reads orders.order_delivered_customer_date, known at the delivery"),
        "{message}"
    );
    assert!(message.contains("known always, at the purchase, at the approval or at the handover"), "{message}");
    let message = refusal(AT_HANDOVER, &[("decision = \"handover\"", "decision = \"purchase\"")]);
    assert!(
        message.contains("- handover_missed: reads order_items.shipping_limit_date, known at the approval"),
        "{message}"
    );
}

#[test]
fn a_decision_belongs_to_features() {
    let text = AT_PURCHASE.to_owned();
    let error = Model::parse(&"clean.probe".parse().unwrap(), &text).unwrap_err().to_string();
    assert!(error.contains("it has a decision, but is no model of the layer features"), "{error}");
}

#[test]
fn a_step_meets_itself_only_on_its_order() {
    let join = "inner join timed as orders on past.order_id = orders.order_id";
    let twice = |on: &str| refusal(AT_PURCHASE, &[(join, &format!("inner join past as other on {on} {join}"))]);
    assert_eq!(twice("other.order_id = past.order_id and other.decided_at is not null"), "no violation");
    for on in ["other.order_id = past.order_id", "other.decided_at = past.decided_at and other.decided_at is not null"]
    {
        let message = twice(on);
        assert!(message.contains("of a step with windows over an event log with itself"), "{message}");
    }
}

#[test]
fn rows_of_an_event_are_known_at_it() {
    let reviews = "from clean.deliveries left join clean.order_reviews as r on r.order_id = deliveries.order_id\n";
    refused(
        &[
            ("from clean.deliveries\n", reviews),
            ("    order_id, seller_id, concat", "    deliveries.order_id, seller_id, concat"),
            ("handover_missed, purchase_month", "handover_missed, deliveries.purchase_month"),
        ],
        &["- events, branch 1: what decides its rows reads order_reviews.order_id (known at the review)"],
    );
}
