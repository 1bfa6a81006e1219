//! Rows of the simulated shop, as its export writes them.
//!
//! Files grow as bytes; no row is ever a value of its own. Header and quoting are those of the real files.

use chrono::{Days, NaiveDate};

use super::{
    Mess,
    catalogue::city,
    chance::{Chance, Kind, mixed},
    demand::DAY,
    life::{Basket, End, Life, Lives, NEVER, Review},
};
use crate::SourceTable;

/// Bytes of each large file for each order that a daily drop tells of, rounded up. What is reserved too much is never
/// touched, and so costs nothing.
const USUAL_BYTES: [(SourceTable, usize); 5] = [
    (SourceTable::Orders, 170),
    (SourceTable::Items, 60),
    (SourceTable::Payments, 24),
    (SourceTable::Reviews, 60),
    (SourceTable::Customers, 40),
];

/// The files of one drop while they grow: bytes and rows of each.
#[derive(Default)]
pub(crate) struct Sheets {
    files: [(Vec<u8>, u64); 9],
    /// Which rows of the orders come an interval late.
    pub late_orders: Vec<u64>,
}

impl Sheets {
    /// Files that will tell of so many orders. Room is made for what most intervals need, so that few files are moved
    /// while they grow.
    pub fn for_events(orders: usize) -> Self {
        let mut sheets = Self::default();
        for (table, bytes) in USUAL_BYTES {
            sheets.files[table.index()].0.reserve(orders * bytes + 256);
        }
        sheets
    }

    /// Remembers that the last order's row comes late.
    pub fn note_late_order(&mut self) {
        self.late_orders.push(self.files[SourceTable::Orders.index()].1 - 1);
    }

    fn row(&mut self, table: SourceTable) -> &mut Vec<u8> {
        let (bytes, rows) = &mut self.files[table.index()];
        if *rows == 0 {
            header(bytes, table);
        }
        *rows += 1;
        bytes
    }

    /// The files that have rows.
    pub fn filled(self) -> impl Iterator<Item = (SourceTable, Vec<u8>, u64)> {
        SourceTable::ALL
            .into_iter()
            .zip(self.files)
            .filter(|(_, (_, rows))| *rows > 0)
            .map(|(table, (bytes, rows))| (table, bytes, rows))
    }
}

/// The real files quote their header; only the translation has a byte order mark, and does not.
fn header(bytes: &mut Vec<u8>, table: SourceTable) {
    if table == SourceTable::Translation {
        bytes.extend_from_slice("\u{feff}".as_bytes());
        bytes.extend_from_slice(table.columns().join(",").as_bytes());
    } else {
        bytes.extend_from_slice(format!("\"{}\"", table.columns().join("\",\"")).as_bytes());
    }
    bytes.push(b'\n');
}

/// Writes rows.
pub(crate) struct Writer<'a> {
    pub lives: &'a Lives,
    pub dates: &'a Dates,
}

impl Writer<'_> {
    /// An order as it is known before `end`.
    pub fn order(&self, sheets: &mut Sheets, life: &Life, end: u32) {
        let known = |moment: u32| moment != NEVER && moment.max(life.bought) < end;
        let last = [life.approved, life.carrier, life.delivered].into_iter().filter(|moment| *moment != NEVER).max();
        let status = if last.unwrap_or(life.bought).max(life.bought) < end {
            life.end.status()
        } else if known(life.carrier) {
            End::Shipped.status()
        } else if known(life.approved) {
            End::Approved.status()
        } else {
            End::Created.status()
        };
        let row = sheets.row(SourceTable::Orders);
        self.name(row, Kind::OrderId, life.number);
        row.push(b',');
        self.name(row, Kind::CustomerId, life.number);
        row.push(b',');
        row.extend_from_slice(status.as_bytes());
        row.push(b',');
        self.dates.moment(row, life.bought);
        for moment in [life.approved, life.carrier, life.delivered] {
            row.push(b',');
            if known(moment) {
                self.dates.moment(row, moment);
            }
        }
        row.push(b',');
        self.dates.moment(row, life.promised * DAY);
        row.push(b'\n');
    }

    /// What an order brings on the day it is bought: its customer, items and payments.
    pub fn purchase(&self, sheets: &mut Sheets, life: &Life, basket: &Basket) {
        let region = &self.lives.shop.regions[usize::from(life.place.region)];
        let row = sheets.row(SourceTable::Customers);
        self.name(row, Kind::CustomerId, life.number);
        row.push(b',');
        self.name(row, Kind::PersonId, life.person);
        row.push(b',');
        prefix(row, region.prefix(life.place.number));
        row.push(b',');
        row.extend_from_slice(city(region, life.place.number).as_bytes());
        row.push(b',');
        row.extend_from_slice(region.state.as_bytes());
        row.push(b'\n');
        if self.lives.has_items(life) {
            for (item, (product, price, freight)) in (1..).zip(&basket.items) {
                let row = sheets.row(SourceTable::Items);
                self.name(row, Kind::OrderId, life.number);
                row.push(b',');
                number(row, item);
                row.push(b',');
                self.name(row, Kind::ProductId, u64::from(*product));
                row.push(b',');
                self.name(row, Kind::SellerId, u64::from(self.lives.catalogue.products[*product as usize].seller));
                row.push(b',');
                let approved = if life.approved == NEVER { life.bought } else { life.approved.max(life.bought) };
                self.dates.moment(row, self.lives.limit(approved, basket));
                row.push(b',');
                money(row, *price);
                row.push(b',');
                money(row, *freight);
                row.push(b'\n');
            }
        }
        for (sequential, (kind, installments, cents)) in (1..).zip(&basket.payments) {
            let row = sheets.row(SourceTable::Payments);
            self.name(row, Kind::OrderId, life.number);
            row.push(b',');
            number(row, sequential);
            row.push(b',');
            row.extend_from_slice(self.lives.shop.payments.types[*kind].as_bytes());
            row.push(b',');
            number(row, u64::from(*installments));
            row.push(b',');
            money(row, *cents);
            row.push(b'\n');
        }
    }

    /// A review, the first or second of its order.
    pub fn review(&self, sheets: &mut Sheets, life: &Life, which: usize, review: &Review) {
        let reviews = &self.lives.shop.reviews;
        let mut chance = Chance::of(self.lives.seed, Kind::ReviewId, 2 * life.number + which as u64);
        // A review of a buyer with several orders sometimes counts for each of them under one id.
        let shared = self.lives.mess != Mess::None && chance.happens(self.lives.shop.quirks.review_id_shared);
        let named = if shared && life.number > 0 { 2 * (life.number - 1) } else { 2 * life.number + which as u64 };
        let place = usize::from(review.score) - 1;
        let title = chance.happens(reviews.title_share_by_score[place]);
        let message = chance.happens(reviews.message_share_by_score[place]);
        let row = sheets.row(SourceTable::Reviews);
        self.name(row, Kind::ReviewId, named);
        row.push(b',');
        self.name(row, Kind::OrderId, life.number);
        row.push(b',');
        number(row, u64::from(review.score));
        row.push(b',');
        if title {
            row.extend_from_slice(super::words::title(review.score, &mut chance).as_bytes());
        }
        row.push(b',');
        if message {
            let length = chance.of_table(&reviews.message_length) as usize;
            super::words::message(row, review.score, length, &mut chance);
        }
        row.push(b',');
        self.dates.day(row, review.created);
        row.extend_from_slice(b" 00:00:00,");
        self.dates.moment(row, review.answered);
        row.push(b'\n');
    }

    pub fn seller(&self, sheets: &mut Sheets, seller: u32) {
        let place = self.lives.catalogue.sellers[seller as usize].place;
        let region = &self.lives.shop.regions[usize::from(place.region)];
        let row = sheets.row(SourceTable::Sellers);
        self.name(row, Kind::SellerId, u64::from(seller));
        row.push(b',');
        prefix(row, region.prefix(place.number));
        row.push(b',');
        row.extend_from_slice(city(region, place.number).as_bytes());
        row.push(b',');
        row.extend_from_slice(region.state.as_bytes());
        row.push(b'\n');
    }

    pub fn product(&self, sheets: &mut Sheets, product: u32) {
        let made = &self.lives.catalogue.products[product as usize];
        let row = sheets.row(SourceTable::Products);
        self.name(row, Kind::ProductId, u64::from(product));
        row.push(b',');
        let category = &self.lives.shop.categories[usize::from(made.category)].name;
        if category.is_empty() {
            row.extend_from_slice(b",,,");
        } else {
            row.extend_from_slice(category.as_bytes());
            for value in [u64::from(made.name_length), u64::from(made.description_length), u64::from(made.photos)] {
                row.push(b',');
                number(row, value);
            }
        }
        row.push(b',');
        number(row, u64::from(made.weight));
        for side in made.size {
            row.push(b',');
            number(row, u64::from(side));
        }
        row.push(b'\n');
    }

    /// The whole translation, and one region of the geolocation: snapshots go into the first drop.
    pub fn translation(&self, sheets: &mut Sheets) {
        for category in &self.lives.shop.categories {
            if let Some(english) = &category.english {
                let row = sheets.row(SourceTable::Translation);
                row.extend_from_slice(category.name.as_bytes());
                row.push(b',');
                row.extend_from_slice(english.as_bytes());
                row.push(b'\n');
            }
        }
    }

    pub fn points(&self, sheets: &mut Sheets, region: usize) {
        let (shop, quirks) = (self.lives.shop, &self.lives.shop.quirks);
        let real = self.lives.mess != Mess::None;
        let own = &shop.regions[region];
        for place in 0..own.prefixes {
            let mut chance = Chance::of(self.lives.seed, Kind::Point, ((region as u64) << 32) | u64::from(place));
            if real && chance.happens(quirks.customer_prefix_without_point) {
                continue;
            }
            let [latitude, longitude] =
                self.lives.catalogue.point(super::catalogue::Place { region: region as u16, number: place });
            let count = (own.points_per_prefix * (0.7 * chance.normal() - 0.245).exp()).round().max(1.0) as u32;
            let mut last = None;
            for _ in 0..count {
                let repeats = real && chance.happens(quirks.point_repeated);
                let point = match last {
                    Some(point) if repeats => point,
                    _ if real && chance.happens(quirks.point_outside_brazil) => [38.7, -9.1],
                    _ => [latitude + 0.004 * chance.normal(), longitude + 0.004 * chance.normal()],
                };
                last = Some(point);
                let row = sheets.row(SourceTable::Geolocation);
                prefix(row, own.prefix(place));
                for degrees in point {
                    row.push(b',');
                    row.extend_from_slice(format!("{degrees:.14}").as_bytes());
                }
                row.push(b',');
                row.extend_from_slice(city(own, place).as_bytes());
                row.push(b',');
                row.extend_from_slice(own.state.as_bytes());
                row.push(b'\n');
            }
        }
    }

    /// 32 hex digits.
    fn name(&self, row: &mut Vec<u8>, kind: Kind, of: u64) {
        let mut digits = [0; 32];
        let [high, low] = mixed(self.lives.seed, kind, of);
        let bytes = ((u128::from(high) << 64) | u128::from(low)).to_be_bytes();
        for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
            *pair = HEX[usize::from(byte)];
        }
        row.extend_from_slice(&digits);
    }
}

/// Each byte as two hex digits.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    pairs
};

fn number(row: &mut Vec<u8>, value: u64) {
    row.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Cents as reais, `12.30`.
fn money(row: &mut Vec<u8>, cents: u32) {
    number(row, u64::from(cents / 100));
    row.extend_from_slice(&[b'.', b'0' + (cents / 10 % 10) as u8, b'0' + (cents % 10) as u8]);
}

/// Five digits, quoted as in the real files.
fn prefix(row: &mut Vec<u8>, value: u32) {
    let (mut text, mut rest) = (*b"\"00000\"", value);
    for digit in text[1..6].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    row.extend_from_slice(&text);
}

/// Dates as text, written once: `2017-01-05`.
pub(crate) struct Dates {
    first_day: NaiveDate,
    texts: Vec<[u8; 10]>,
}

impl Dates {
    /// The dates of so many days from the first on.
    pub fn new(first_day: NaiveDate, days: u32) -> Self {
        let texts = (0..days).map(|day| text(first_day + Days::new(u64::from(day)))).collect();
        Self { first_day, texts }
    }

    fn day(&self, row: &mut Vec<u8>, day: i32) {
        match usize::try_from(day).ok().and_then(|day| self.texts.get(day)) {
            Some(known) => row.extend_from_slice(known),
            None => row.extend_from_slice(&text(self.first_day + chrono::TimeDelta::days(i64::from(day)))),
        }
    }

    /// `2017-01-05 13:07:59`
    fn moment(&self, row: &mut Vec<u8>, moment: u32) {
        self.day(row, (moment / DAY) as i32);
        let second = moment % DAY;
        let mut text = *b" 00:00:00";
        for (place, value) in [(1, second / 3_600), (4, second / 60 % 60), (7, second % 60)] {
            text[place] += (value / 10) as u8;
            text[place + 1] += (value % 10) as u8;
        }
        row.extend_from_slice(&text);
    }
}

fn text(date: NaiveDate) -> [u8; 10] {
    let mut out = *b"0000-00-00";
    for (place, byte) in date.to_string().bytes().take(10).enumerate() {
        out[place] = byte;
    }
    out
}
