//! The nine files that the order system exports, with the columns that each must have.

use std::fmt;

use entrega_model::drops::Content;

/// One of the nine tables of the order system, in the order in which an export lists them.
///
/// ```
/// use entrega_source::SourceTable;
/// assert_eq!(SourceTable::ALL.len(), 9);
/// assert_eq!(SourceTable::Orders.file(), "olist_orders_dataset.csv");
/// assert_eq!(SourceTable::Orders.columns()[0], "order_id");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceTable {
    /// One row per order.
    Orders,
    /// One row per order and item number.
    Items,
    /// One row per order and payment number.
    Payments,
    /// One row per review and order.
    Reviews,
    /// One row per customer id, of which each order has its own.
    Customers,
    /// One row per product.
    Products,
    /// One row per seller.
    Sellers,
    /// Many points per zip code prefix.
    Geolocation,
    /// One row per Portuguese category name.
    Translation,
}

impl SourceTable {
    /// All nine; a table's place here is its [`SourceTable::index`].
    pub const ALL: [Self; 9] = [
        Self::Orders,
        Self::Items,
        Self::Payments,
        Self::Reviews,
        Self::Customers,
        Self::Products,
        Self::Sellers,
        Self::Geolocation,
        Self::Translation,
    ];

    /// The table's place in [`SourceTable::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// The name of its CSV file, as Kaggle spells it.
    #[must_use]
    pub fn file(self) -> &'static str {
        match self {
            Self::Orders => "olist_orders_dataset.csv",
            Self::Items => "olist_order_items_dataset.csv",
            Self::Payments => "olist_order_payments_dataset.csv",
            Self::Reviews => "olist_order_reviews_dataset.csv",
            Self::Customers => "olist_customers_dataset.csv",
            Self::Products => "olist_products_dataset.csv",
            Self::Sellers => "olist_sellers_dataset.csv",
            Self::Geolocation => "olist_geolocation_dataset.csv",
            Self::Translation => "product_category_name_translation.csv",
        }
    }

    /// The columns that the file must have, in the file's own (mis)spelling. More columns are passed on unread.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Orders => &[
                "order_id",
                "customer_id",
                "order_status",
                "order_purchase_timestamp",
                "order_approved_at",
                "order_delivered_carrier_date",
                "order_delivered_customer_date",
                "order_estimated_delivery_date",
            ],
            Self::Items => &[
                "order_id",
                "order_item_id",
                "product_id",
                "seller_id",
                "shipping_limit_date",
                "price",
                "freight_value",
            ],
            Self::Payments => {
                &["order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value"]
            }
            Self::Reviews => &[
                "review_id",
                "order_id",
                "review_score",
                "review_comment_title",
                "review_comment_message",
                "review_creation_date",
                "review_answer_timestamp",
            ],
            Self::Customers => {
                &["customer_id", "customer_unique_id", "customer_zip_code_prefix", "customer_city", "customer_state"]
            }
            Self::Products => &[
                "product_id",
                "product_category_name",
                "product_name_lenght",
                "product_description_lenght",
                "product_photos_qty",
                "product_weight_g",
                "product_length_cm",
                "product_height_cm",
                "product_width_cm",
            ],
            Self::Sellers => &["seller_id", "seller_zip_code_prefix", "seller_city", "seller_state"],
            Self::Geolocation => &[
                "geolocation_zip_code_prefix",
                "geolocation_lat",
                "geolocation_lng",
                "geolocation_city",
                "geolocation_state",
            ],
            Self::Translation => &["product_category_name", "product_category_name_english"],
        }
    }

    /// Whether drops carry the table's changed rows or all of it.
    #[must_use]
    pub fn content(self) -> Content {
        match self {
            Self::Geolocation | Self::Translation => Content::Snapshot,
            _ => Content::Changes,
        }
    }
}

impl fmt::Display for SourceTable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.file())
    }
}
