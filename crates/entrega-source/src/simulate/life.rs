//! What becomes of an order: basket, approval, hand-over, delivery, promise, review.
//!
//! A life is drawn from the seed and the order's number alone, given the catalogue and the network's days. It is small,
//! because the lives of all orders under way are kept; the basket is kept for the day on which it is bought.

use super::{
    Mess,
    catalogue::{Catalogue, Place, Product, distance},
    chance::{Chance, Choice, Kind, both, probability_below},
    demand::{DAY, Demand},
    parameters::Shop,
    rhythm::Rhythm,
};
use crate::SourceError;

/// No such moment.
pub(crate) const NEVER: u32 = u32::MAX;

/// How an order ends, in the words of the order system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    Shipped,
    Invoiced,
    Processing,
    Approved,
    Created,
    Canceled,
    Unavailable,
}

impl End {
    pub fn status(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Shipped => "shipped",
            Self::Invoiced => "invoiced",
            Self::Processing => "processing",
            Self::Approved => "approved",
            Self::Created => "created",
            Self::Canceled => "canceled",
            Self::Unavailable => "unavailable",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Shipped,
            Self::Invoiced,
            Self::Processing,
            Self::Approved,
            Self::Created,
            Self::Canceled,
            Self::Unavailable,
        ];
        all.into_iter().find(|end| end.status() == name)
    }
}

/// A review of an order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Review {
    pub score: u8,
    /// The day on which it was asked for, since the first day; negative before it.
    pub created: i32,
    /// Seconds since the first day.
    pub answered: u32,
}

/// An order's life; moments are seconds since the first day, [`NEVER`] if they do not come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub number: u64,
    /// Whose order it is: the number of that person's first order.
    pub person: u64,
    pub place: Place,
    pub bought: u32,
    pub approved: u32,
    pub carrier: u32,
    pub delivered: u32,
    /// The promised day, since the first day.
    pub promised: u32,
    pub end: End,
    pub reviews: [Option<Review>; 2],
}

/// What an order holds.
pub(crate) struct Basket {
    /// Product, price and freight in cents, of each item.
    pub items: Vec<(u32, u32, u32)>,
    /// Working days from approval until it is to be handed over.
    limit_working_days: u32,
    /// How much more than usual of the seller that is, standard normal.
    patience: f64,
    /// Type (a position in the parameters), installments and cents, of each payment.
    pub payments: Vec<(usize, u8, u32)>,
}

/// Draws lives.
pub(crate) struct Lives {
    pub shop: &'static Shop,
    pub catalogue: Catalogue,
    pub demand: Demand,
    pub seed: u64,
    pub mess: Mess,
    sizes: Choice,
    /// Effects of the customer's state on the logarithms of transit, promise and freight, by region.
    state_effects: Vec<[f64; 3]>,
    ends: Vec<(End, f64)>,
    handover: Rhythm,
    delivery: Rhythm,
}

impl Lives {
    /// # Errors
    /// When the parameters make no sense.
    pub fn new(
        shop: &'static Shop,
        catalogue: Catalogue,
        demand: Demand,
        seed: u64,
        mess: Mess,
    ) -> Result<Self, SourceError> {
        let effect =
            |table: &std::collections::BTreeMap<String, f64>, state: &str| table.get(state).copied().unwrap_or(0.0);
        Ok(Self {
            sizes: Choice::new(shop.baskets.items_share.clone())?,
            state_effects: shop
                .regions
                .iter()
                .map(|region| {
                    [&shop.times.transit_state, &shop.times.promise_state, &shop.freight.state]
                        .map(|table| effect(table, &region.state))
                })
                .collect(),
            ends: shop.ends.iter().filter_map(|(name, share)| Some((End::named(name)?, *share))).collect(),
            handover: Rhythm::new(&shop.times.handover_hour_of_week_share),
            delivery: Rhythm::new(&shop.times.delivery_hour_of_week_share),
            shop,
            catalogue,
            demand,
            seed,
            mess,
        })
    }

    /// The person who buys, where they live, and when they buy. One in thirty has bought before: then an earlier order's
    /// buyer, perhaps minutes ago.
    fn buyer(&self, order: u64) -> (u64, Place, u32) {
        let mut number = order;
        let mut bought = self.demand.moment(order);
        loop {
            let mut chance = Chance::of(self.seed, Kind::Buyer, number);
            let home = self.catalogue.home(&mut chance);
            if number == 0 || !chance.happens(self.shop.baskets.buys_again) {
                return (number, home, bought);
            }
            let days = chance.of_table(&self.shop.baskets.buys_again_days);
            let day = self.demand.day_of(number);
            // Who would have bought before the shop opened has bought since.
            let range = self.demand.orders(day - days as u32 % (day + 1));
            let earlier = range.start + chance.below(range.end - range.start);
            let earlier = if earlier < number { earlier } else { number - 1 };
            if number == order && days < 1.0 && self.demand.day_of(earlier) == day {
                bought = later(self.demand.moment(earlier), days).min((day + 1) * DAY - 1);
            }
            number = earlier;
        }
    }

    /// What an order of a day holds.
    fn basket(&self, order: u64, place: Place, day: u32) -> Basket {
        let mut chance = Chance::of(self.seed, Kind::Basket, order);
        let shop = self.shop;
        let first = self.catalogue.bought(day, &mut chance);
        let count = chance.pick(&self.sizes) + 1;
        let mut products = vec![first; count];
        if count > 1 && !chance.happens(shop.baskets.one_product) {
            for product in &mut products[1..] {
                *product = if chance.happens(shop.baskets.one_seller) {
                    self.catalogue.of_the_same_seller(first, day, &mut chance)
                } else {
                    self.catalogue.bought(day, &mut chance)
                };
            }
        }
        let mut items: Vec<(u32, u32, u32)> = Vec::with_capacity(count);
        for product in products {
            if let Some(same) = items.iter().find(|item| item.0 == product) {
                items.push(*same);
                continue;
            }
            let sold: &Product = &self.catalogue.products[product as usize];
            // Prices change now and then, by whole reais, so that their cents stay what they are.
            let change = if chance.happens(0.25) {
                (0.06 * chance.normal() * f64::from(sold.price) / 100.0).round()
            } else {
                0.0
            };
            let price = (f64::from(sold.price) + 100.0 * change).max(85.0) as u32;
            let freight = self.freight(sold, price, place, &mut chance);
            items.push((product, price, freight));
        }
        let total: u32 = items.iter().map(|(_, price, freight)| price + freight).sum();
        let seller = &self.catalogue.sellers[self.catalogue.products[first as usize].seller as usize];
        let own = shop.times.limit_between_sellers;
        let patience = chance.normal();
        let leeway = probability_below(own.sqrt() * seller.leeway + (1.0 - own).sqrt() * patience);
        let limit_working_days = shop.times.limit_working_days.at(leeway).round().max(1.0) as u32;
        let payments = self.payments(total, &mut chance);
        Basket { items, limit_working_days, patience, payments }
    }

    fn freight(&self, sold: &Product, price: u32, place: Place, chance: &mut Chance) -> u32 {
        let freight = &self.shop.freight;
        if chance.happens(freight.free_share) {
            return 0;
        }
        let far = distance(self.catalogue.sellers[sold.seller as usize].point, self.catalogue.point(place));
        let [intercept, by_distance, by_weight, by_price] = freight.intercept_log_distance_log_weight_log_price;
        let heavy = (f64::from(sold.weight) / 1_000.0 + 1.0).ln();
        let reais = (intercept
            + by_distance * (far + 20.0).ln()
            + by_weight * heavy
            + by_price * (f64::from(price) / 100.0).ln()
            + self.state_effects[usize::from(place.region)][2]
            + chance.of_table(&freight.log_noise))
        .exp();
        (reais * 100.0).round() as u32
    }

    fn payments(&self, total: u32, chance: &mut Chance) -> Vec<(usize, u8, u32)> {
        let payments = &self.shop.payments;
        let kind = chance.by_share(&payments.type_share);
        let named = |name: &str| payments.types.iter().position(|kind| kind == name);
        let installments = if Some(kind) == named("credit_card") {
            let shares = &payments.installments_share_by_half_log_value_from_4;
            let band = ((f64::from(total) / 100.0 + 1.0).ln() * 2.0) as usize;
            chance.by_share(&shares[band.saturating_sub(4).min(shares.len() - 1)]) as u8 + 1
        } else {
            1
        };
        let count = chance.by_share(&payments.count_share) as u32 + 1;
        let voucher = named("voucher").unwrap_or(kind);
        // The first pays most; vouchers pay the rest.
        let mut left = total;
        let mut parts = Vec::with_capacity(count as usize);
        for rest in (1..count).rev() {
            let part = (f64::from(left) * (0.1 + 0.4 * chance.share())) as u32;
            let part = part.clamp(1, left.saturating_sub(rest).max(1));
            left -= part;
            parts.push((voucher, 1, part));
        }
        parts.push((kind, installments, left));
        parts.reverse();
        parts
    }

    /// An order's life, and the basket that it began with.
    pub fn life(&self, order: u64) -> (Life, Basket) {
        let shop = self.shop;
        let (person, place, bought) = self.buyer(order);
        let basket = self.basket(order, place, bought / DAY);
        let mut chance = Chance::of(self.seed, Kind::Life, order);
        let end = self.end(&mut chance);
        let seller = &self.catalogue.sellers[self.catalogue.products[basket.items[0].0 as usize].seller as usize];
        let far = (distance(seller.point, self.catalogue.point(place)) + 20.0).ln();
        let months = bought / DAY;
        let times = &shop.times;

        let kind = basket.payments.first().map_or(0, |payment| payment.0);
        let approval = shop.payments.types.get(kind).and_then(|name| shop.payments.approval_days.get(name));
        let mut approved = later(bought, approval.map_or(0.01, |table| chance.of_table(table)));
        let haste = both(times.limit_handling_correlation, basket.patience, chance.normal());
        let handling = times.handling_log_mean
            + seller.slowness
            + Shop::by_month(&times.handling_by_growth_month, months)
            + times.handling_log_noise.at(probability_below(haste));
        let handling = handling.exp().min(90.0);
        let mut carrier = self.handover.after(approved, handling, self.first_weekday());
        let [transit_effect, promise_effect, _] = self.state_effects[usize::from(place.region)];
        let state = shop.regions[usize::from(place.region)].state.as_str();
        let spread = times.transit_spread_by_state.get(state).copied().unwrap_or(1.0);
        let (luck, caution) = (chance.normal(), chance.normal());
        let [intercept, by_distance] = times.transit_intercept_log_distance;
        let habit = times.transit_between_sellers;
        let transit = intercept
            + by_distance * far
            + transit_effect
            + Shop::by_month(&times.transit_log_drift_by_growth_month, months)
            + self.demand.network(carrier / DAY)
            + habit.sqrt() * seller.road
            + spread * (1.0 - habit).sqrt() * times.transit_log_noise.at(probability_below(luck));
        let mut delivered = self.delivery.after(carrier, transit.exp().min(190.0), self.first_weekday());
        let together = times.promise_transit_correlation;
        let caution = both(together, luck, caution);
        let [intercept, by_distance, by_limit] = times.promise_intercept_log_distance_log_limit;
        let allowed = self.limit(approved, &basket) / DAY - approved / DAY;
        let promise = intercept
            + by_distance * far
            + by_limit * f64::from(allowed).ln()
            + promise_effect
            + Shop::by_month(&times.promise_log_drift_by_growth_month, months)
            + times.promise_log_noise.at(probability_below(caution));
        let promised = bought / DAY + promise.exp().clamp(2.0, 150.0).round() as u32;

        let (shipped, arrived) = match end {
            End::Delivered => (true, true),
            End::Shipped => (true, false),
            End::Canceled => (chance.happens(0.12), false),
            _ => (false, false),
        };
        if end == End::Created || (end == End::Canceled && !shipped && chance.happens(0.25)) {
            approved = NEVER;
        }
        if !shipped {
            carrier = NEVER;
        }
        if !arrived {
            delivered = NEVER;
        }
        let mut life = Life {
            number: order,
            person,
            place,
            bought,
            approved,
            carrier,
            delivered,
            promised,
            end,
            reviews: [None; 2],
        };
        life.reviews = self.reviews(&life, &basket);
        if self.mess != Mess::None {
            self.contradict(&mut life, &mut chance);
        }
        (life, basket)
    }

    /// Whether the order's items are in the books: those of most orders that cannot be delivered have left them.
    pub fn has_items(&self, life: &Life) -> bool {
        life.end != End::Unavailable
            || !Chance::of(self.seed, Kind::Basket, !life.number).happens(self.shop.baskets.unavailable_without_items)
    }

    fn end(&self, chance: &mut Chance) -> End {
        let mut left = chance.share();
        for (end, share) in &self.ends {
            left -= share;
            if left < 0.0 {
                return *end;
            }
        }
        End::Delivered
    }

    /// When a basket is to be handed over: some working days after its approval, at the same time of the day.
    pub fn limit(&self, approved: u32, basket: &Basket) -> u32 {
        let mut moment = approved;
        let mut left = basket.limit_working_days;
        while left > 0 {
            moment += DAY;
            if (self.first_weekday() + moment / DAY) % 7 < 5 {
                left -= 1;
            }
        }
        moment
    }

    fn first_weekday(&self) -> u32 {
        chrono::Datelike::weekday(&self.demand.first_day).num_days_from_monday()
    }

    fn reviews(&self, life: &Life, basket: &Basket) -> [Option<Review>; 2] {
        let shop = &self.shop.reviews;
        let mut chance = Chance::of(self.seed, Kind::Review, life.number);
        if chance.happens(shop.orders_without) {
            return [None; 2];
        }
        let bands = &shop.score_share_by_delay_up_to;
        let band = if life.delivered == NEVER {
            bands.shares.len() - 1
        } else {
            let delay = i64::from(life.delivered / DAY) - i64::from(life.promised);
            bands.bands.partition_point(|band| *band < delay).min(bands.shares.len() - 2)
        };
        let feeling = self.feeling(life, basket, band);
        let mut one = || {
            let after_delivery = chance.by_share(&shop.created_days_after_delivery_share) as u32;
            let after_promise = chance.of_table(&shop.late_created_days_after_promise).round().max(0.0) as u32;
            let created = (life.promised + after_promise).min(if life.delivered == NEVER {
                u32::MAX
            } else {
                life.delivered / DAY + after_delivery
            });
            let answered = later(created * DAY, chance.of_table(&shop.answered_days).clamp(0.02, 300.0));
            let mut left = probability_below(feeling + shop.mood_own_sigma * chance.normal());
            let worse = bands.shares[band].iter().take_while(|share| {
                left -= **share;
                left >= 0.0
            });
            let score = worse.count().min(4) as u8 + 1;
            Review { score, created: created as i32, answered }
        };
        let first = one();
        let second = one();
        [Some(first), chance.happens(shop.orders_with_two).then_some(second)]
    }

    /// How much better or worse than its delay alone an order makes its buyer feel, in units of the mood that decides the
    /// score.
    fn feeling(&self, life: &Life, basket: &Basket, band: usize) -> f64 {
        let shop = &self.shop.reviews;
        let seller_of = |item: &(u32, u32, u32)| self.catalogue.products[item.0 as usize].seller;
        let first = seller_of(&basket.items[0]);
        let mut feeling =
            shop.mood_by_items.get(basket.items.len() - 1).or(shop.mood_by_items.last()).copied().unwrap_or(0.0);
        if basket.items.iter().any(|item| seller_of(item) != first) {
            feeling += shop.mood_of_several_sellers;
        }
        if let Some(usual) = shop.log_days_by_delay_band.get(band).filter(|_| life.delivered != NEVER) {
            let took = (life.delivered / DAY).saturating_sub(life.bought / DAY).max(1);
            feeling += shop.mood_by_log_days * (f64::from(took).ln() - usual);
        }
        feeling + shop.mood_seller_sigma * self.catalogue.sellers[first as usize].charm
    }

    /// The real files' contradictions, at their real rates.
    fn contradict(&self, life: &mut Life, chance: &mut Chance) {
        let quirks = &self.shop.quirks;
        let early = |chance: &mut Chance| (chance.share() * 1.5 * f64::from(DAY)) as u32;
        if life.carrier != NEVER && life.approved != NEVER {
            if chance.happens(quirks.carrier_before_purchase) {
                life.carrier = life.bought.saturating_sub(early(chance));
            } else if chance.happens(quirks.carrier_before_approval) {
                life.carrier = life.approved.saturating_sub(early(chance).min(life.approved - life.bought));
            }
        }
        if life.delivered != NEVER {
            if chance.happens(quirks.delivered_before_carrier) {
                life.delivered = life.carrier.saturating_sub(early(chance)).max(life.bought);
            }
            if chance.happens(quirks.delivered_without_approval) {
                life.approved = NEVER;
            }
            if chance.happens(quirks.delivered_without_date) {
                life.delivered = NEVER;
            }
        }
        if chance.happens(quirks.review_before_purchase)
            && let Some(review) = &mut life.reviews[0]
        {
            review.created = (life.bought / DAY) as i32 - 1 - chance.below(90) as i32;
        }
    }
}

/// A moment so many days later.
fn later(moment: u32, days: f64) -> u32 {
    moment + (days.max(0.0) * f64::from(DAY)) as u32
}
