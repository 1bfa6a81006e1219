//! Which interval sees which event: the one place where the simulation goes in order of time.

use std::collections::VecDeque;

use entrega_model::drops::Cadence;

use super::{
    life::{Life, Lives, NEVER},
    per_day,
    rows::{Dates, Sheets, Writer},
    seconds_of,
};
use crate::render::{DropFile, drop_file};

/// The order's row.
const ORDER: u8 = 1;
/// Its customer, items and payments.
const PURCHASE: u8 = 2;
/// Its reviews.
const REVIEWS: [u8; 2] = [4, 8];

/// An order that an interval tells of, and what it tells.
type Event = (Life, u8);

/// The lives of the orders of one day.
pub(crate) struct DayLives {
    day: u32,
    lives: Vec<Life>,
    /// Products that are sold, by interval of the day.
    sold: Vec<(u32, u32)>,
}

impl DayLives {
    /// Draws them.
    pub fn of(lives: &Lives, day: u32, seconds: u32) -> Self {
        let mut sold = Vec::new();
        let draw = |order| {
            let (life, basket) = lives.life(order);
            if lives.has_items(&life) {
                sold.extend(basket.items.iter().map(|item| (life.bought / seconds, item.0)));
            }
            life
        };
        let drawn: Vec<Life> = lives.demand.orders(day).map(draw).collect();
        sold.sort_unstable();
        sold.dedup();
        Self { day, lives: drawn, sold }
    }
}

/// What one drop tells.
pub(crate) struct Delivery {
    /// The interval's number, from 0.
    pub number: u32,
    events: Vec<Event>,
    products: Vec<u32>,
    sellers: Vec<u32>,
}

/// Orders under way, by the interval in which they are heard of next.
pub(crate) struct Schedule {
    seconds: u32,
    per_day: u32,
    intervals: u32,
    /// The next interval, and what waits for it and those after it.
    next: u32,
    waiting: VecDeque<Vec<Event>>,
    known_products: Vec<bool>,
    known_sellers: Vec<bool>,
    seller_of: Vec<u32>,
}

impl Schedule {
    pub fn new(lives: &Lives, days: u32, cadence: Cadence) -> Self {
        Self {
            seconds: seconds_of(cadence),
            per_day: per_day(cadence),
            intervals: days * per_day(cadence),
            next: 0,
            waiting: VecDeque::new(),
            known_products: vec![false; lives.catalogue.products.len()],
            known_sellers: vec![false; lives.catalogue.sellers.len()],
            seller_of: lives.catalogue.products.iter().map(|product| product.seller).collect(),
        }
    }

    /// Seconds of an interval.
    pub fn seconds(&self) -> u32 {
        self.seconds
    }

    /// Intervals in all.
    pub fn intervals(&self) -> usize {
        self.intervals as usize
    }

    /// Takes the next day's lives, and gives the drops of that day: no later day can add to them.
    pub fn take(&mut self, day: DayLives) -> Vec<Delivery> {
        debug_assert_eq!(day.day * self.per_day, self.next);
        for life in day.lives {
            self.wait(life);
        }
        let mut sold = day.sold.into_iter().peekable();
        (0..self.per_day)
            .map(|_| {
                let number = self.next;
                self.next += 1;
                let mut delivery = Delivery {
                    number,
                    events: self.waiting.pop_front().unwrap_or_default(),
                    products: Vec::new(),
                    sellers: Vec::new(),
                };
                while let Some((_, product)) = sold.next_if(|(interval, _)| *interval <= number) {
                    if !std::mem::replace(&mut self.known_products[product as usize], true) {
                        delivery.products.push(product);
                    }
                    let seller = self.seller_of[product as usize];
                    if !std::mem::replace(&mut self.known_sellers[seller as usize], true) {
                        delivery.sellers.push(seller);
                    }
                }
                delivery
            })
            .collect()
    }

    /// Puts an order wherever it is heard of.
    fn wait(&mut self, life: Life) {
        let mut heard: [(u32, u8); 6] = [(NEVER, 0); 6];
        heard[0] = (life.bought, ORDER | PURCHASE);
        for (place, moment) in [life.approved, life.carrier, life.delivered].into_iter().enumerate() {
            if moment != NEVER {
                heard[place + 1] = (moment.max(life.bought), ORDER);
            }
        }
        for (place, review) in life.reviews.iter().enumerate() {
            if let Some(review) = review {
                heard[place + 4] = (review.answered, REVIEWS[place]);
            }
        }
        heard.sort_unstable();
        let mut at = 0;
        while at < heard.len() && heard[at].0 != NEVER {
            let interval = heard[at].0 / self.seconds;
            let mut what = 0;
            while at < heard.len() && heard[at].0 != NEVER && heard[at].0 / self.seconds == interval {
                what |= heard[at].1;
                at += 1;
            }
            if interval < self.intervals {
                // A review of an order can be older than the order; it is told at the earliest with what comes next.
                let place = interval.saturating_sub(self.next) as usize;
                if self.waiting.len() <= place {
                    self.waiting.resize_with(place + 1, Vec::new);
                }
                self.waiting[place].push((life, what));
            }
        }
    }
}

impl Delivery {
    /// The drop's files.
    pub fn files(&self, lives: &Lives, dates: &Dates, seconds: u32) -> Vec<DropFile> {
        let writer = Writer { lives, dates };
        let mut sheets = Sheets::default();
        let end = (self.number + 1) * seconds;
        for (life, what) in &self.events {
            if what & ORDER != 0 {
                writer.order(&mut sheets, life, end);
            }
            if what & PURCHASE != 0 {
                writer.purchase(&mut sheets, life, &lives.basket(life.number, life.place));
            }
            for (which, bit) in REVIEWS.into_iter().enumerate() {
                if let Some(review) = life.reviews[which].as_ref().filter(|_| what & bit != 0) {
                    writer.review(&mut sheets, life, which, review);
                }
            }
        }
        for product in &self.products {
            writer.product(&mut sheets, *product);
        }
        for seller in &self.sellers {
            writer.seller(&mut sheets, *seller);
        }
        if self.number == 0 {
            for region in 0..lives.shop.regions.len() {
                writer.points(&mut sheets, region);
            }
            writer.translation(&mut sheets);
        }
        sheets.filled().map(|(table, bytes, rows)| drop_file(table, bytes.into(), rows as usize)).collect()
    }
}
