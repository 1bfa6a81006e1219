//! What the simulated shop is like: the parameters that `calibration/fit.py` fitted to the real one.
//!
//! Units are days, kilometres, grams and reais. A [`Quantiles`] table holds values at the probabilities
//! `(i + 0.5) / length`.

use std::{collections::BTreeMap, sync::OnceLock};

use serde::Deserialize;

use crate::SourceError;

/// Everything that was fitted.
#[derive(Debug, Deserialize)]
pub(crate) struct Shop {
    pub demand: Demand,
    pub regions: Vec<Region>,
    pub categories: Vec<Category>,
    pub baskets: Baskets,
    pub payments: Payments,
    pub freight: Freight,
    pub times: Times,
    pub ends: BTreeMap<String, f64>,
    pub reviews: Reviews,
    pub quirks: Quirks,
}

/// Values at evenly spread probabilities.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Quantiles(Vec<f64>);

impl Quantiles {
    /// The value at a probability, interpolated; beyond the outermost points, those.
    pub fn at(&self, probability: f64) -> f64 {
        let last = self.0.len() - 1;
        let place = (probability * self.0.len() as f64 - 0.5).clamp(0.0, last as f64);
        let below = (place as usize).min(last);
        let above = (below + 1).min(last);
        self.0[below] + (self.0[above] - self.0[below]) * (place - below as f64)
    }
}

/// When orders are bought.
#[derive(Debug, Deserialize)]
pub(crate) struct Demand {
    pub growth_by_month: Vec<f64>,
    pub weekday_monday_first: Vec<f64>,
    pub hour_share_monday_first: Vec<Vec<f64>>,
    pub black_friday_from_the_day_before: Vec<f64>,
    pub day_log_sigma: f64,
    pub christmas_share: f64,
}

/// A zip region: the first two digits of its prefixes.
#[derive(Debug, Deserialize)]
pub(crate) struct Region {
    pub state: String,
    pub customers: f64,
    pub sellers: f64,
    pub latitude: f64,
    pub longitude: f64,
    pub latitude_sigma: f64,
    pub longitude_sigma: f64,
    pub prefixes: u32,
    pub first_prefix: u32,
    pub last_prefix: u32,
    pub points_per_prefix: f64,
    pub cities: Vec<String>,
    pub city_shares: Vec<f64>,
}

/// A product category.
#[derive(Debug, Deserialize)]
pub(crate) struct Category {
    pub name: String,
    pub english: Option<String>,
    pub items: f64,
    pub products: f64,
    pub log_price: [f64; 2],
    pub log_weight: [f64; 2],
    pub size: [f64; 3],
    pub photos: f64,
    pub name_length: f64,
    pub log_description_length: f64,
}

/// What is bought together, by whom, and how many things there are to buy.
#[derive(Debug, Deserialize)]
pub(crate) struct Baskets {
    pub orders: u64,
    pub products: u64,
    pub sellers: u64,
    pub items_share: Vec<f64>,
    pub one_product: f64,
    pub one_seller: f64,
    pub buys_again: f64,
    pub buys_again_days: Quantiles,
    pub product_log_volume_sigma: f64,
    pub product_surplus: f64,
    pub seller_log_products_sigma: f64,
    pub seller_surplus: f64,
    pub seller_opens_share: Quantiles,
    pub product_follows_share_of_the_rest: Quantiles,
    pub product_stays_share: Quantiles,
    pub main_category_share: Quantiles,
    pub price_weight_correlation: f64,
    pub price_between_sellers: f64,
    pub weight_between_sellers: f64,
    pub volume_between_sellers: f64,
    pub volume_size_correlation: f64,
    pub side_log_weight_slope_sigma: [[f64; 2]; 3],
    pub cents: Vec<u32>,
    pub cents_share: Vec<f64>,
    pub unavailable_without_items: f64,
}

/// How orders are paid, and how long approval takes.
#[derive(Debug, Deserialize)]
pub(crate) struct Payments {
    pub types: Vec<String>,
    pub type_share: Vec<f64>,
    pub installments_share_by_half_log_value_from_4: Vec<Vec<f64>>,
    pub count_share: Vec<f64>,
    pub approval_days: BTreeMap<String, Quantiles>,
}

/// What carriage costs.
#[derive(Debug, Deserialize)]
pub(crate) struct Freight {
    pub intercept_log_distance_log_weight_log_price: [f64; 4],
    pub state: BTreeMap<String, f64>,
    pub log_noise: Quantiles,
    pub free_share: f64,
}

/// How long things take, and what is promised.
#[derive(Debug, Deserialize)]
pub(crate) struct Times {
    pub handling_log_mean: f64,
    pub handling_seller_sigma: f64,
    pub handling_log_noise: Quantiles,
    pub handling_by_growth_month: Vec<f64>,
    pub transit_intercept_log_distance: [f64; 2],
    pub transit_state: BTreeMap<String, f64>,
    pub transit_log_noise: Quantiles,
    pub transit_log_sigma: f64,
    pub transit_between_sellers: f64,
    pub transit_spread_by_state: BTreeMap<String, f64>,
    pub transit_log_drift_by_growth_month: Vec<f64>,
    pub network_day_correlation: f64,
    pub network_day_sigma: f64,
    pub network_load_pull: f64,
    pub promise_intercept_log_distance_log_limit: [f64; 3],
    pub promise_state: BTreeMap<String, f64>,
    pub promise_log_noise: Quantiles,
    pub promise_log_drift_by_growth_month: Vec<f64>,
    pub promise_transit_correlation: f64,
    pub handover_hour_of_week_share: Vec<f64>,
    pub delivery_hour_of_week_share: Vec<f64>,
    pub limit_working_days: Quantiles,
    pub limit_between_sellers: f64,
    pub limit_handling_correlation: f64,
    pub limit_slowness_correlation: f64,
}

/// What buyers say.
#[derive(Debug, Deserialize)]
pub(crate) struct Reviews {
    pub score_share_by_delay_up_to: ScoresByDelay,
    pub created_days_after_delivery_share: Vec<f64>,
    pub late_created_days_after_promise: Quantiles,
    pub answered_days: Quantiles,
    pub message_share_by_score: Vec<f64>,
    pub title_share_by_score: Vec<f64>,
    pub message_length: Quantiles,
    pub mood_by_items: Vec<f64>,
    pub mood_of_several_sellers: f64,
    pub mood_by_log_days: f64,
    pub log_days_by_delay_band: Vec<f64>,
    pub mood_seller_sigma: f64,
    pub mood_own_sigma: f64,
    pub orders_without: f64,
    pub orders_with_two: f64,
}

/// Scores 1 to 5 for each band of delay; the last is for orders that did not arrive.
#[derive(Debug, Deserialize)]
pub(crate) struct ScoresByDelay {
    pub bands: Vec<i64>,
    pub shares: Vec<Vec<f64>>,
}

/// How often the real files contradict themselves.
#[derive(Debug, Deserialize)]
pub(crate) struct Quirks {
    pub carrier_before_approval: f64,
    pub carrier_before_purchase: f64,
    pub delivered_before_carrier: f64,
    pub delivered_without_approval: f64,
    pub delivered_without_date: f64,
    pub review_before_purchase: f64,
    pub review_id_shared: f64,
    pub zero_weight: f64,
    pub point_outside_brazil: f64,
    pub point_repeated: f64,
    pub customer_prefix_without_point: f64,
}

impl Shop {
    /// The fitted shop.
    ///
    /// # Errors
    /// When the file that is built in is no such thing; a test makes sure that it is.
    pub fn fitted() -> Result<&'static Self, SourceError> {
        static SHOP: OnceLock<Result<Shop, String>> = OnceLock::new();
        let read = || serde_json::from_str(include_str!("shop.json")).map_err(|error| error.to_string());
        SHOP.get_or_init(read).as_ref().map_err(|problem| SourceError::Parameters { problem: problem.clone() })
    }

    /// A value by months since the shop opened, interpolated between the middles of months; the last one goes on.
    pub fn by_month(values: &[f64], day: u32) -> f64 {
        let last = values.len() - 1;
        let place = (f64::from(day) / 30.44 - 0.5).clamp(0.0, last as f64);
        let below = place as usize;
        values[below] + (values[(below + 1).min(last)] - values[below]) * (place - below as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fitted_shop_is_complete() {
        let shop = Shop::fitted().unwrap();
        assert!(shop.regions.len() > 90 && shop.categories.len() > 70);
        assert_eq!(
            shop.reviews.score_share_by_delay_up_to.shares.len(),
            shop.reviews.score_share_by_delay_up_to.bands.len() + 1
        );
    }

    #[test]
    fn quantiles_are_interpolated_and_bounded() {
        let table = Quantiles(vec![1.0, 3.0]);
        for (probability, value) in [(0.0, 1.0), (0.25, 1.0), (0.5, 2.0), (0.75, 3.0), (1.0, 3.0)] {
            assert!((table.at(probability) - value).abs() < 1e-9, "{probability}");
        }
    }

    #[test]
    fn months_are_interpolated() {
        assert!((Shop::by_month(&[1.0, 2.0], 0) - 1.0).abs() < 1e-9);
        assert!((Shop::by_month(&[1.0, 2.0], 30) - 1.4855).abs() < 1e-3);
        assert!((Shop::by_month(&[1.0, 2.0], 3000) - 2.0).abs() < 1e-9);
    }
}
