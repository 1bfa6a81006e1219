//! Who sells what, and where everyone is: places, sellers and products. Made once, before the first order.

use std::{panic::resume_unwind, thread};

use super::{
    chance::{Chance, Choice, Kind, both},
    demand::Demand,
    on_sale::OnSale,
    parameters::{Category, Region, Shop},
};
use crate::SourceError;

/// A place that has a zip prefix.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// Its region, a position in [`Shop::regions`].
    pub region: u16,
    /// Its number inside the region.
    pub number: u32,
}

/// Latitude and longitude, in degrees.
pub(crate) type Point = [f64; 2];

/// A seller.
#[derive(Debug, Clone)]
pub(crate) struct Seller {
    pub place: Place,
    pub point: Point,
    /// How much longer than others it takes to hand over, as a logarithm.
    pub slowness: f64,
    /// How much longer than others it is given for that, standard normal.
    pub leeway: f64,
    /// How much longer than others' its parcels travel, as a logarithm.
    pub road: f64,
    /// How much more than others it pleases buyers, standard normal.
    pub charm: f64,
    /// Its products: a range of [`Catalogue::by_seller`].
    products: std::ops::Range<u32>,
}

/// A product, sold by one seller.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub category: u16,
    pub seller: u32,
    /// The days on which it is on sale, from the first and before the second; the second may be in the round after, and
    /// all later rounds repeat them.
    on_sale: [u32; 2],
    /// In cents.
    pub price: u32,
    /// In grams.
    pub weight: u32,
    /// Length, height and width in centimetres.
    pub size: [u16; 3],
    pub photos: u8,
    pub name_length: u16,
    pub description_length: u16,
}

/// What a seller offers.
struct Range {
    /// Most of it is of this category, and that is this share of it.
    category: usize,
    share: f64,
    /// How well its things sell, and how much more expensive and heavier than others in their category they are, standard
    /// normal.
    volume: f64,
    price: f64,
    weight: f64,
    /// When it opens, as a share of the shop's time.
    opens: f64,
}

/// Draws until something is found that is on sale: enough for the first days, when little is; later a few do.
const DRAWS: u32 = 64;

/// Rounds in which volumes are scaled to categories and regions; they hardly change after the third.
const RAKES: usize = 4;

/// How much likelier the first places of a region are, which lie in its largest city; a power of an even share.
const CROWDED: f64 = 1.4;

/// Everything that orders refer to.
pub(crate) struct Catalogue {
    pub sellers: Vec<Seller>,
    pub products: Vec<Product>,
    by_seller: Vec<u32>,
    /// Products by how well they sell while they are on sale: in the first round, and in those after it if there are any.
    popular: OnSale,
    popular_later: Option<OnSale>,
    /// Days of a round.
    round: u32,
    buyers: Choice,
    /// Where each place of each region lies.
    points: Vec<Vec<Point>>,
    shop: &'static Shop,
}

impl Catalogue {
    /// The catalogue of a shop that takes so many orders. A shop ten times as large has four times the sellers and six times the
    /// products. Some of either never sell anything, and are never told of.
    ///
    /// # Errors
    /// When the parameters make no sense.
    pub fn new(
        shop: &'static Shop,
        seed: u64,
        orders: u64,
        real_mess: bool,
        demand: &Demand,
    ) -> Result<Self, SourceError> {
        let baskets = &shop.baskets;
        let growth = orders as f64 / shop.baskets.orders as f64;
        let count = |real: u64, power: f64, least: f64| (real as f64 * growth.powf(power)).round().max(least) as u64;
        let regions = Choice::new(shop.regions.iter().map(|region| region.sellers).collect())?;
        let surplus = |count: u64, surplus: f64| (count as f64 * surplus) as u64;
        // The real shop has forgotten what kind of thing some products are; a tidy one has not.
        let share = |category: &Category| if category.name.is_empty() && !real_mess { 0.0 } else { category.products };
        let kinds = Choice::new(shop.categories.iter().map(share).collect())?;
        let points: Vec<Vec<Point>> = (0..)
            .zip(&shop.regions)
            .map(|(region, own)| {
                (0..own.prefixes.max(1)).map(|number| point_of(shop, seed, Place { region, number })).collect()
            })
            .collect();
        let mut volumes = Vec::new();
        let mut ranges = Vec::new();
        let mut sellers: Vec<Seller> = (0..surplus(count(baskets.sellers, 0.6, 12.0), baskets.seller_surplus))
            .map(|number| {
                let mut chance = Chance::of(seed, Kind::Seller, number);
                let region = chance.pick(&regions);
                let place = place_in(shop, region, &mut chance);
                let large = chance.normal();
                volumes.push((large * baskets.seller_log_products_sigma).exp());
                let slow = chance.normal();
                let seller = Seller {
                    place,
                    point: points[region][place.number as usize],
                    slowness: slow * shop.times.handling_seller_sigma,
                    leeway: both(shop.times.limit_slowness_correlation, slow, chance.normal()),
                    charm: chance.normal(),
                    road: chance.normal() * shop.times.transit_log_sigma,
                    products: 0..0,
                };
                ranges.push(Range {
                    category: chance.pick(&kinds),
                    share: chance.of_table(&baskets.main_category_share),
                    volume: both(baskets.volume_size_correlation, large, chance.normal()),
                    price: chance.normal(),
                    weight: chance.normal(),
                    opens: chance.of_table(&baskets.seller_opens_share),
                });
                seller
            })
            .collect();
        let selling = Choice::new(volumes)?;
        let (products, mut volumes): (Vec<Product>, Vec<f64>) =
            by_number(surplus(count(baskets.products, 0.8, 60.0), baskets.product_surplus), |number| {
                let mut chance = Chance::of(seed, Kind::Product, number);
                let seller = chance.pick(&selling) as u32;
                let range = &ranges[seller as usize];
                let category = if chance.happens(range.share) { range.category } else { chance.pick(&kinds) };
                let volume = both(baskets.volume_between_sellers.sqrt(), range.volume, chance.normal());
                let comes =
                    range.opens + (1.0 - range.opens) * chance.of_table(&baskets.product_follows_share_of_the_rest);
                let goes = comes + chance.of_table(&baskets.product_stays_share);
                let on_sale = [comes, goes].map(|share| (share.min(2.0) * f64::from(demand.round)).round() as u32);
                let product = product(shop, category, (seller, range), on_sale, real_mess, &mut chance);
                (product, (volume * baskets.product_log_volume_sigma).exp())
            });
        rake(shop, &sellers, &products, &mut volumes);
        even_out(&mut sellers, &products, &volumes);
        // What sells for a short time only sells as much in it. The first round ends for all; later ones run on.
        let round = demand.round;
        let offers =
            || (0..).zip(&volumes).zip(&products).map(|((number, volume), product)| (number, *volume, product.on_sale));
        let first = offers().map(|(number, volume, on_sale)| {
            let [comes, goes] = on_sale.map(|day| day.min(round));
            (number, volume / demand.share_between(comes, goes), [comes, goes])
        });
        let later = offers().flat_map(|(number, volume, [comes, goes])| {
            let volume = volume / f64::from(goes - comes);
            [[comes, goes.min(round)], [0, goes.saturating_sub(round)]].map(|days| (number, volume, days))
        });
        let popular = OnSale::new(round, first)?;
        let popular_later = (demand.days() > round).then(|| OnSale::new(round, later)).transpose()?;
        let by_seller = sorted_by_seller(&mut sellers, &products);
        Ok(Self {
            sellers,
            products,
            by_seller,
            popular,
            popular_later,
            round,
            buyers: Choice::new(shop.regions.iter().map(|region| region.customers).collect())?,
            points,
            shop,
        })
    }

    /// A product that someone buys on a day.
    pub fn bought(&self, day: u32, chance: &mut Chance) -> u32 {
        // The first draw mostly finds something that is on sale; on the first days, when little is, the last one is sold
        // early.
        let popular = self.popular_later.as_ref().filter(|_| day >= self.round).unwrap_or(&self.popular);
        let mut product = popular.pick(day % self.round, chance);
        for _ in 0..DRAWS {
            if self.is_on_sale(product, day) {
                break;
            }
            product = popular.pick(day % self.round, chance);
        }
        product
    }

    /// Another product of the seller of one, or the same if none is found that is on sale.
    pub fn of_the_same_seller(&self, product: u32, day: u32, chance: &mut Chance) -> u32 {
        let range = &self.sellers[self.products[product as usize].seller as usize].products;
        let mut any =
            || self.by_seller[(u64::from(range.start) + chance.below(u64::from(range.end - range.start))) as usize];
        (0..DRAWS / 8).map(|_| any()).find(|other| self.is_on_sale(*other, day)).unwrap_or(product)
    }

    fn is_on_sale(&self, product: u32, day: u32) -> bool {
        let [comes, goes] = self.products[product as usize].on_sale;
        let today = day % self.round;
        (comes..goes).contains(&today) || (day >= self.round && today + self.round < goes)
    }

    /// Where a new buyer lives.
    pub fn home(&self, chance: &mut Chance) -> Place {
        let region = chance.pick(&self.buyers);
        place_in(self.shop, region, chance)
    }

    /// Where a place lies.
    pub fn point(&self, place: Place) -> Point {
        self.points[usize::from(place.region)][place.number as usize]
    }
}

impl Region {
    /// The zip prefix of a place of the region, five digits.
    pub fn prefix(&self, number: u32) -> u32 {
        let span = u64::from(self.last_prefix - self.first_prefix) + 1;
        self.first_prefix + (span * u64::from(number) / u64::from(self.prefixes.max(1))) as u32
    }
}

/// The city of a place: places of a region are dealt out to its cities by their shares of what happens there.
pub(crate) fn city(region: &Region, number: u32) -> &str {
    let mut share = ((f64::from(number) + 0.5) / f64::from(region.prefixes.max(1))).powf(1.0 / CROWDED);
    for (city, own) in region.cities.iter().zip(&region.city_shares) {
        share -= own;
        if share < 0.0 {
            return city;
        }
    }
    region.cities.last().map_or("", String::as_str)
}

/// A place of a region: the first ones, in its largest city, are likelier.
fn place_in(shop: &Shop, region: usize, chance: &mut Chance) -> Place {
    let prefixes = shop.regions[region].prefixes;
    let number = (chance.share().powf(CROWDED) * f64::from(prefixes)) as u32;
    Place { region: region as u16, number: number.min(prefixes.saturating_sub(1)) }
}

fn point_of(shop: &Shop, seed: u64, place: Place) -> Point {
    let region = &shop.regions[usize::from(place.region)];
    let mut chance = Chance::of(seed, Kind::Prefix, (u64::from(place.region) << 32) | u64::from(place.number));
    let bounded = |middle: f64, sigma: f64, way: f64| middle + sigma * way.clamp(-2.5, 2.5);
    [
        bounded(region.latitude, region.latitude_sigma, chance.normal()).clamp(-33.7, 5.2),
        bounded(region.longitude, region.longitude_sigma, chance.normal()).clamp(-73.9, -34.8),
    ]
}

/// What is drawn for each number. All cores draw, because nothing else can begin before; that changes nothing.
fn by_number<T: Send, U: Send>(count: u64, draw: impl Fn(u64) -> (T, U) + Sync) -> (Vec<T>, Vec<U>) {
    let workers = thread::available_parallelism().map_or(1, |workers| workers.get() as u64);
    let part = count.div_ceil(workers).max(1);
    let draw = &draw;
    thread::scope(|scope| {
        let drawing = |start| scope.spawn(move || (start..count.min(start + part)).map(draw).collect::<Vec<_>>());
        let parts: Vec<_> = (0..count).step_by(part as usize).map(drawing).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).unzip()
    })
}

/// The products of one seller after another; each seller learns which are its own.
fn sorted_by_seller(sellers: &mut [Seller], products: &[Product]) -> Vec<u32> {
    for product in products {
        sellers[product.seller as usize].products.end += 1;
    }
    let mut start = 0;
    for seller in &mut *sellers {
        let own = seller.products.end;
        seller.products = start..start;
        start += own;
    }
    let mut sorted = vec![0; products.len()];
    for (number, product) in (0..).zip(products) {
        let place = &mut sellers[product.seller as usize].products.end;
        sorted[*place as usize] = number;
        *place += 1;
    }
    sorted
}

/// Scales volumes until categories and regions sell what they do in the real shop: otherwise the luck of a few large
/// sellers would move whole states.
fn rake(shop: &Shop, sellers: &[Seller], products: &[Product], volumes: &mut [f64]) {
    let category = |product: &Product| usize::from(product.category);
    let region = |product: &Product| usize::from(sellers[product.seller as usize].place.region);
    let categories: Vec<f64> = shop.categories.iter().map(|category| category.items).collect();
    let regions: Vec<f64> = shop.regions.iter().map(|region| region.sellers).collect();
    let mut scale = |part: &dyn Fn(&Product) -> usize, wanted: &[f64]| {
        let mut sums = vec![0.0; wanted.len()];
        for (volume, product) in volumes.iter().zip(products) {
            sums[part(product)] += *volume;
        }
        for (volume, product) in volumes.iter_mut().zip(products) {
            *volume *= wanted[part(product)] / sums[part(product)].max(f64::MIN_POSITIVE);
        }
    };
    for _ in 0..RAKES {
        scale(&region, &regions);
        scale(&category, &categories);
    }
}

/// Takes from what is a seller's own what large ones would make the whole shop's by luck.
fn even_out(sellers: &mut [Seller], products: &[Product], volumes: &[f64]) {
    let mut sums = [0.0; 5];
    for (volume, product) in volumes.iter().zip(products) {
        let Seller { slowness, leeway, road, charm, .. } = sellers[product.seller as usize];
        for (sum, part) in sums.iter_mut().zip([slowness, leeway, road, charm, 1.0]) {
            *sum += volume * part;
        }
    }
    let total = sums[4].max(f64::MIN_POSITIVE);
    for seller in sellers {
        seller.slowness -= sums[0] / total;
        seller.leeway -= sums[1] / total;
        seller.road -= sums[2] / total;
        seller.charm -= sums[3] / total;
    }
}

fn product(
    shop: &Shop,
    category: usize,
    (seller, range): (u32, &Range),
    on_sale: [u32; 2],
    real_mess: bool,
    chance: &mut Chance,
) -> Product {
    let baskets = &shop.baskets;
    let kind = &shop.categories[category];
    let expensive = both(baskets.price_between_sellers.sqrt(), range.price, chance.normal());
    let heavy = both(baskets.weight_between_sellers.sqrt(), range.weight, chance.normal());
    let heavy = both(baskets.price_weight_correlation, expensive, heavy);
    let reais = (kind.log_price[0] + kind.log_price[1] * expensive).exp().clamp(0.9, 6_700.0);
    let usual = chance.by_shares_or_none(&baskets.cents_share);
    let cents = usual.map_or_else(|| chance.below(100) as u32, |place| baskets.cents[place]);
    let weight = (kind.log_weight[0] + kind.log_weight[1] * heavy).exp().clamp(50.0, 40_000.0);
    let usual = weight.ln() - kind.log_weight[0];
    let mut sides = [0; 3];
    for ((side, typical), [slope, sigma]) in sides.iter_mut().zip(kind.size).zip(baskets.side_log_weight_slope_sigma) {
        let length = typical * (slope * usual + sigma * chance.normal()).exp();
        *side = length.round().clamp(2.0, 105.0) as u16;
    }
    Product {
        category: category as u16,
        seller,
        on_sale,
        price: (reais as u32) * 100 + cents,
        weight: if real_mess && chance.happens(shop.quirks.zero_weight) {
            0
        } else {
            (weight / 50.0).round() as u32 * 50
        },
        size: sides,
        photos: (kind.photos * (0.5 * chance.normal()).exp()).round().clamp(1.0, 20.0) as u8,
        name_length: (kind.name_length + 8.0 * chance.normal()).round().clamp(5.0, 76.0) as u16,
        description_length: (kind.log_description_length + 0.6 * chance.normal()).exp().round().clamp(4.0, 3_992.0)
            as u16,
    }
}

/// Kilometres between two points, on a sphere.
pub(crate) fn distance(from: Point, to: Point) -> f64 {
    let [latitude, longitude] = from.map(f64::to_radians);
    let [other_latitude, other_longitude] = to.map(f64::to_radians);
    let up = ((other_latitude - latitude) / 2.0).sin();
    let along = ((other_longitude - longitude) / 2.0).sin();
    2.0 * 6_371.008_8 * (up * up + latitude.cos() * other_latitude.cos() * along * along).sqrt().asin()
}
