//! Who sells what, and where everyone is: places, sellers and products. Made once, before the first order.

use super::{
    chance::{Chance, Choice, Kind},
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
    /// Its products: a range of [`Catalogue::by_seller`].
    products: std::ops::Range<u32>,
}

/// A product, sold by one seller.
#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub category: u16,
    pub seller: u32,
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

/// Everything that orders refer to.
pub(crate) struct Catalogue {
    pub sellers: Vec<Seller>,
    pub products: Vec<Product>,
    by_seller: Vec<u32>,
    popular: Choice,
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
    pub fn new(shop: &'static Shop, seed: u64, orders: u64, real_mess: bool) -> Result<Self, SourceError> {
        let growth = orders as f64 / shop.baskets.orders as f64;
        let count = |real: u64, power: f64, least: f64| (real as f64 * growth.powf(power)).round().max(least) as u64;
        let regions = Choice::new(shop.regions.iter().map(|region| region.sellers).collect())?;
        let points: Vec<Vec<Point>> = (0..)
            .zip(&shop.regions)
            .map(|(region, own)| {
                (0..own.prefixes.max(1)).map(|number| point_of(shop, seed, Place { region, number })).collect()
            })
            .collect();
        let mut volumes = Vec::new();
        let mut sellers: Vec<Seller> = (0..count(shop.baskets.sellers, 0.6, 12.0) * 4 / 3)
            .map(|number| {
                let mut chance = Chance::of(seed, Kind::Seller, number);
                let region = chance.pick(&regions);
                let place = place_in(shop, region, &mut chance);
                volumes.push((chance.normal() * shop.baskets.seller_log_volume_sigma).exp());
                let slowness = chance.normal() * shop.times.handling_seller_sigma;
                Seller { place, point: points[region][place.number as usize], slowness, products: 0..0 }
            })
            .collect();
        let selling = Choice::new(volumes)?;
        // The real shop has forgotten what kind of thing some products are; a tidy one has not.
        let share = |category: &Category| if category.name.is_empty() && !real_mess { 0.0 } else { category.products };
        let kinds = Choice::new(shop.categories.iter().map(share).collect())?;
        let mut weights = Vec::new();
        let products: Vec<Product> = (0..count(shop.baskets.products, 0.8, 60.0) * 5 / 4)
            .map(|number| {
                let mut chance = Chance::of(seed, Kind::Product, number);
                let seller = chance.pick(&selling) as u32;
                let category = chance.pick(&kinds);
                let volume = (chance.normal() * shop.baskets.product_log_volume_sigma).exp();
                weights.push(volume * shop.categories[category].items / shop.categories[category].products);
                product(shop, category, seller, real_mess, &mut chance)
            })
            .collect();
        let mut by_seller: Vec<u32> = (0..products.len() as u32).collect();
        by_seller.sort_by_key(|product| products[*product as usize].seller);
        let mut start = 0;
        for (number, seller) in (0..).zip(&mut sellers) {
            let own =
                by_seller[start..].iter().take_while(|product| products[**product as usize].seller == number).count();
            seller.products = start as u32..(start + own) as u32;
            start += own;
        }
        Ok(Self {
            sellers,
            products,
            by_seller,
            popular: Choice::new(weights)?,
            buyers: Choice::new(shop.regions.iter().map(|region| region.customers).collect())?,
            points,
            shop,
        })
    }

    /// A product that someone buys.
    pub fn bought(&self, chance: &mut Chance) -> u32 {
        chance.pick(&self.popular) as u32
    }

    /// Any product of the seller of another.
    pub fn of_the_same_seller(&self, product: u32, chance: &mut Chance) -> u32 {
        let range = &self.sellers[self.products[product as usize].seller as usize].products;
        self.by_seller[(u64::from(range.start) + chance.below(u64::from(range.end - range.start))) as usize]
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

/// The city of a place: places of a region are dealt out to its cities by their shares.
pub(crate) fn city(region: &Region, number: u32) -> &str {
    let mut share = (f64::from(number) + 0.5) / f64::from(region.prefixes.max(1));
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
    let number = (chance.share().powf(1.4) * f64::from(prefixes)) as u32;
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

fn product(shop: &Shop, category: usize, seller: u32, real_mess: bool, chance: &mut Chance) -> Product {
    let kind = &shop.categories[category];
    let expensive = chance.normal();
    let correlation = shop.baskets.price_weight_correlation;
    let heavy = correlation * expensive + (1.0 - correlation * correlation).sqrt() * chance.normal();
    let reais = (kind.log_price[0] + kind.log_price[1] * expensive).exp().clamp(0.9, 6_700.0);
    let cents = {
        let place = chance.by_share(&[shop.baskets.cents_share.as_slice(), &[1.0]].concat());
        shop.baskets.cents.get(place).copied().unwrap_or_else(|| chance.below(100) as u32)
    };
    let weight = (kind.log_weight[0] + kind.log_weight[1] * heavy).exp().clamp(50.0, 40_000.0);
    let stretch = (weight / kind.log_weight[0].exp()).powf(0.25);
    Product {
        category: category as u16,
        seller,
        price: (reais as u32) * 100 + cents,
        weight: if real_mess && chance.happens(shop.quirks.zero_weight) {
            0
        } else {
            (weight / 50.0).round() as u32 * 50
        },
        size: kind.size.map(|side| (side * stretch * (0.25 * chance.normal()).exp()).round().clamp(2.0, 105.0) as u16),
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
