//! Drops that are not what they say: a message that names drop and file, exit code 4, and the lake as it was.

use serde_json::json;

use crate::support::{
    Contents, Delivery, Lake, assert_same,
    rows::{bought, customer, item, payment, review},
};

/// A good drop for the day after the shop's last one.
fn good() -> Delivery {
    Delivery::day("2018-03-30")
        .with("orders", &[bought(101, "2018-03-30 10:00:00", "2018-04-20")])
        .with("customers", &[customer(101, "01037", "SP")])
        .with("order_items", &[item(101, 1, 1, 1, "2018-04-02 10:00:00", "50.00")])
        .with("order_payments", &[payment(101, "60.00")])
}

/// A lake in use, and what a bad delivery must not change.
struct Untouched {
    lake: Lake,
    contents: Contents,
    batches: Vec<String>,
}

impl Untouched {
    fn new() -> Self {
        let lake = Lake::ready();
        let (contents, batches) = (Contents::of(&lake), lake.batches());
        Self { lake, contents, batches }
    }

    /// The run fails with this message, nothing is changed, and a good delivery in the bad one's place is taken.
    fn refuses(&self, story: &str) {
        let message = self.lake.run("run all").failed(4);
        self.lake.snapshots().bind(|| insta::assert_snapshot!(story, message));
        assert!(message.contains("hint: "), "{message}");
        assert_eq!(self.lake.batches(), self.batches);
        assert_same(&self.contents, &Contents::of(&self.lake), story);
        std::fs::remove_dir_all(self.lake.path().join("landing/dt=2018-03-30")).unwrap();
        good().deliver(&self.lake);
        self.lake.ok("run all");
        assert_eq!(self.lake.value("select count(*) as orders from clean.orders"), "31");
        assert!(self.lake.ok("op reconcile").contains("\"reconciled\": true"));
    }

    /// The same for a good drop whose manifest is bent.
    fn refuses_manifest(&self, story: &str, bend: impl FnOnce(&mut serde_json::Value)) {
        let mut manifest = good().manifest();
        bend(&mut manifest);
        good().deliver_with(&self.lake, &manifest.to_string());
        self.refuses(story);
    }
}

#[test]
fn a_file_with_fewer_bytes() {
    let here = Untouched::new();
    let folder = good().deliver(&here.lake);
    let file = folder.join("olist_order_payments_dataset.csv");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 20]).unwrap();
    here.refuses("a_file_with_fewer_bytes");
}

#[test]
fn a_file_with_other_bytes() {
    let here = Untouched::new();
    let folder = good().deliver(&here.lake);
    let file = folder.join("olist_order_payments_dataset.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("60.00", "90.00")).unwrap();
    here.refuses("a_file_with_other_bytes");
}

#[test]
fn the_orders_with_other_bytes() {
    let here = Untouched::new();
    let folder = good().deliver(&here.lake);
    let file = folder.join("olist_orders_dataset.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("10:00:00", "11:00:00")).unwrap();
    here.refuses("the_orders_with_other_bytes");
}

#[test]
fn a_file_that_is_not_there() {
    let here = Untouched::new();
    let folder = good().deliver(&here.lake);
    std::fs::remove_file(folder.join("olist_customers_dataset.csv")).unwrap();
    here.refuses("a_file_that_is_not_there");
}

#[test]
fn a_wrong_number_of_rows() {
    Untouched::new().refuses_manifest("a_wrong_number_of_rows", |manifest| {
        manifest["files"]["olist_order_items_dataset.csv"]["rows"] = json!(7);
    });
}

#[test]
fn a_manifest_that_is_no_json() {
    let here = Untouched::new();
    good().deliver_with(&here.lake, "{\"version\": 1, ");
    here.refuses("a_manifest_that_is_no_json");
}

#[test]
fn a_manifest_without_an_end() {
    Untouched::new().refuses_manifest("a_manifest_without_an_end", |manifest| {
        drop(manifest.as_object_mut().unwrap().remove("end"));
    });
}

#[test]
fn an_interval_that_ends_before_it_starts() {
    Untouched::new().refuses_manifest("an_interval_that_ends_before_it_starts", |manifest| {
        manifest["end"] = json!("2018-03-29T00:00:00");
    });
}

#[test]
fn a_manifest_of_the_future() {
    Untouched::new().refuses_manifest("a_manifest_of_the_future", |manifest| manifest["version"] = json!(2));
}

#[test]
fn a_file_that_no_contract_describes() {
    Untouched::new().refuses_manifest("a_file_that_no_contract_describes", |manifest| {
        let entry = manifest["files"]["olist_orders_dataset.csv"].clone();
        manifest["files"]["olist_returns_dataset.csv"] = entry;
    });
}

#[test]
fn a_column_with_another_name() {
    let here = Untouched::new();
    let header = "order_id,payment_number,payment_type,payment_installments,payment_value";
    good().with_header("order_payments", header, &[payment(101, "60.00")]).deliver(&here.lake);
    here.refuses("a_column_with_another_name");
}

#[test]
fn a_column_that_is_missing() {
    let here = Untouched::new();
    let header = "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price";
    let row = item(101, 1, 1, 1, "2018-04-02 10:00:00", "50.00").rsplit_once(',').unwrap().0.to_owned();
    good().with_header("order_items", header, &[row]).deliver(&here.lake);
    here.refuses("a_column_that_is_missing");
}

#[test]
fn a_file_without_a_header() {
    let here = Untouched::new();
    good().with_bytes("order_payments", Vec::new(), 0).deliver(&here.lake);
    here.refuses("a_file_without_a_header");
}

#[test]
fn columns_in_another_order_are_fine() {
    let lake = Lake::ready();
    let header = "payment_value,order_id,payment_installments,payment_sequential,payment_type";
    let row = format!("60.00,{},1,1,boleto", crate::support::rows::order_id(101));
    good().with_header("order_payments", header, &[row]).deliver(&lake);
    lake.ok("run all");
    let found = lake.value(&format!(
        "select payment_type from clean.deliveries where order_id = '{}'",
        crate::support::rows::order_id(101)
    ));
    assert_eq!(found, "boleto");
}

#[test]
fn one_bad_drop_among_good_ones_stops_the_batch() {
    let here = Untouched::new();
    Delivery::day("2018-03-31").with("order_reviews", &[review(101, 1, 5, "2018-03-31")]).deliver(&here.lake);
    let folder = good().deliver(&here.lake);
    std::fs::write(folder.join("olist_orders_dataset.csv"), "nothing of the kind\n").unwrap();
    here.refuses("one_bad_drop_among_good_ones_stops_the_batch");
}

#[test]
fn a_bad_drop_can_be_left_out() {
    let here = Untouched::new();
    good().deliver_with(&here.lake, "no manifest at all");
    Delivery::day("2018-03-31").with("orders", &[bought(102, "2018-03-31 10:00:00", "2018-04-20")]).deliver(&here.lake);
    here.lake.ok("run all --drop landing/dt=2018-03-31");
    assert_eq!(here.lake.value("select count(*) as orders from clean.orders"), "31");
}

#[test]
fn a_damaged_manifest_is_shown_by_status() {
    let lake = Lake::ready();
    good().deliver_with(&lake, "no manifest at all");
    let status = lake.ok("status --batches 0");
    lake.snapshots().bind(|| insta::assert_snapshot!("a_damaged_manifest_is_shown_by_status", status));
    assert!(status.contains("landing/dt=2018-03-30"), "{status}");
}

#[test]
fn a_drop_that_is_still_being_written_waits() {
    let here = Untouched::new();
    good().deliver_files(&here.lake);
    let status = here.lake.ok("status --batches 0");
    here.lake.snapshots().bind(|| insta::assert_snapshot!("a_drop_that_is_still_being_written_waits", status));
    assert!(here.lake.ok("run all").contains("nothing to do"));
    assert_eq!(here.lake.batches(), here.batches);
    let asked = here.lake.run("run all --drop landing/dt=2018-03-30").failed(1);
    here.lake.snapshots().bind(|| insta::assert_snapshot!("a_drop_that_is_still_being_written_is_asked_for", asked));
}

#[test]
fn a_gap_is_seen_and_filled() {
    let lake = Lake::replayed("--cadence daily --to 2018-01-12");
    let absent = lake.path().join("landing/dt=2018-01-06");
    let aside = lake.home().join("aside");
    std::fs::rename(&absent, &aside).unwrap();
    lake.ok("run all");
    let status = lake.ok("status --batches 0");
    lake.snapshots().bind(|| insta::assert_snapshot!("a_gap_is_seen", status));
    std::fs::rename(&aside, &absent).unwrap();
    lake.ok("run all");
    assert!(lake.ok("status").contains("gaps:               none"));
    let whole = Lake::replayed("--cadence daily --to 2018-01-12");
    whole.ok("run all");
    assert_same(&Contents::of(&whole), &Contents::of(&lake), "a gap filled later");
}
