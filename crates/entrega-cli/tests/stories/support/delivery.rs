//! Drops written by hand: files and a manifest that tells the truth, unless a story bends it.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Lake;

/// Each source: its file, whether a file of it is the whole state, and its header.
const SOURCES: [(&str, &str, bool, &str); 9] = [
    (
        "orders",
        "olist_orders_dataset.csv",
        false,
        "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date",
    ),
    (
        "order_items",
        "olist_order_items_dataset.csv",
        false,
        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value",
    ),
    (
        "order_payments",
        "olist_order_payments_dataset.csv",
        false,
        "order_id,payment_sequential,payment_type,payment_installments,payment_value",
    ),
    (
        "order_reviews",
        "olist_order_reviews_dataset.csv",
        false,
        "review_id,order_id,review_score,review_comment_title,review_comment_message,review_creation_date,review_answer_timestamp",
    ),
    (
        "customers",
        "olist_customers_dataset.csv",
        false,
        "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state",
    ),
    ("sellers", "olist_sellers_dataset.csv", false, "seller_id,seller_zip_code_prefix,seller_city,seller_state"),
    (
        "products",
        "olist_products_dataset.csv",
        false,
        "product_id,product_category_name,product_name_lenght,product_description_lenght,product_photos_qty,product_weight_g,product_length_cm,product_height_cm,product_width_cm",
    ),
    (
        "geolocation",
        "olist_geolocation_dataset.csv",
        true,
        "geolocation_zip_code_prefix,geolocation_lat,geolocation_lng,geolocation_city,geolocation_state",
    ),
    (
        "categories",
        "product_category_name_translation.csv",
        true,
        "product_category_name,product_category_name_english",
    ),
];

struct File {
    bytes: Vec<u8>,
    rows: usize,
    snapshot: bool,
}

/// A drop on its way.
pub struct Delivery {
    folder: String,
    interval: (NaiveDateTime, NaiveDateTime),
    produced_at: NaiveDateTime,
    files: BTreeMap<String, File>,
}

impl Delivery {
    /// The drop of a day, produced five minutes after its end.
    pub fn day(date: &str) -> Self {
        let start = date.parse::<NaiveDate>().unwrap().and_time(NaiveTime::MIN);
        let end = start + TimeDelta::days(1);
        Self {
            folder: format!("landing/dt={date}"),
            interval: (start, end),
            produced_at: end + TimeDelta::minutes(5),
            files: BTreeMap::new(),
        }
    }

    /// Delivered under another folder.
    pub fn under(mut self, folder: &str) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// Produced so many minutes later than usual: of two drops of one interval the later one wins.
    pub fn minutes_later(mut self, minutes: i64) -> Self {
        self.produced_at += TimeDelta::minutes(minutes);
        self
    }

    /// With these rows of a source.
    pub fn with(self, source: &str, rows: &[String]) -> Self {
        let (_, _, _, header) = SOURCES.iter().find(|(name, ..)| *name == source).unwrap();
        self.with_header(source, header, rows)
    }

    /// With these rows under another header.
    pub fn with_header(self, source: &str, header: &str, rows: &[String]) -> Self {
        let mut text = format!("{header}\n");
        for row in rows {
            let _ = writeln!(text, "{row}");
        }
        self.with_bytes(source, text.into_bytes(), rows.len())
    }

    /// With a file as it is.
    pub fn with_bytes(mut self, source: &str, bytes: Vec<u8>, rows: usize) -> Self {
        let (_, file, snapshot, _) = *SOURCES.iter().find(|(name, ..)| *name == source).unwrap();
        self.files.insert(file.to_owned(), File { bytes, rows, snapshot });
        self
    }

    /// Saying that a source's file holds everything there is.
    pub fn whole(mut self, source: &str) -> Self {
        let (_, file, ..) = *SOURCES.iter().find(|(name, ..)| *name == source).unwrap();
        self.files.get_mut(file).unwrap().snapshot = true;
        self
    }

    /// With rows under the source's header and one more column at its end.
    pub fn with_column(self, source: &str, column: &str, rows: &[String]) -> Self {
        let (_, _, _, header) = SOURCES.iter().find(|(name, ..)| *name == source).unwrap();
        self.with_header(source, &format!("{header},{column}"), rows)
    }

    /// Its manifest.
    pub fn manifest(&self) -> Value {
        let entry = |file: &File| {
            let sha256 =
                Sha256::digest(&file.bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
            let content = if file.snapshot { "snapshot" } else { "changes" };
            json!({ "rows": file.rows, "bytes": file.bytes.len(), "sha256": sha256, "content": content })
        };
        let files: serde_json::Map<String, Value> =
            self.files.iter().map(|(name, file)| (name.clone(), entry(file))).collect();
        let time = |moment: NaiveDateTime| moment.format("%Y-%m-%dT%H:%M:%S").to_string();
        json!({
            "version": 1,
            "start": time(self.interval.0),
            "end": time(self.interval.1),
            "cadence": "daily",
            "produced_at": format!("{}Z", time(self.produced_at)),
            "producer": "a story",
            "files": files,
        })
    }

    /// Puts it into the landing zone.
    pub fn deliver(&self, lake: &Lake) -> PathBuf {
        self.deliver_with(lake, &serde_json::to_string_pretty(&self.manifest()).unwrap())
    }

    /// Puts it there with another manifest.
    pub fn deliver_with(&self, lake: &Lake, manifest: &str) -> PathBuf {
        let folder = self.deliver_files(lake);
        fs::write(folder.join("_manifest.json"), manifest).unwrap();
        folder
    }

    /// Puts only its files there, as if its producer were still writing.
    pub fn deliver_files(&self, lake: &Lake) -> PathBuf {
        let folder = lake.path().join(&self.folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, file) in &self.files {
            fs::write(folder.join(name), &file.bytes).unwrap();
        }
        folder
    }
}
