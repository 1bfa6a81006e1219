//! Which interval sees which event: the one place where the simulation goes in order of time.

use std::{collections::VecDeque, sync::Arc};

use entrega_model::drops::Cadence;

use super::{
    chance::{Chance, Kind},
    life::{Basket, Life, Lives, NEVER},
    mess::Injector,
    per_day,
    rows::{Dates, Sheets, Writer},
    seconds_of,
};

/// The order's row.
const ORDER: u8 = 1;
/// Its customer, items and payments.
const PURCHASE: u8 = 2;
/// Its reviews.
const REVIEWS: [u8; 2] = [4, 8];
/// The order's row should have come an interval earlier.
const LATE: u8 = 16;

/// How many orders are told an interval after their items, in a shop with faults.
const TOLD_LATE: f64 = 0.005;

/// An order that an interval tells of, and what it tells.
type Event = (Life, u8);

/// What is in the baskets of one day: their rows are told on the day itself, so they need not be drawn again.
#[derive(Clone)]
struct Baskets {
    first: u64,
    all: Arc<Vec<Basket>>,
}

impl Baskets {
    fn of(&self, order: u64) -> &Basket {
        &self.all[(order - self.first) as usize]
    }
}

/// The lives of the orders of one day.
pub(crate) struct DayLives {
    day: u32,
    lives: Vec<Life>,
    baskets: Baskets,
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
            (life, basket)
        };
        let orders = lives.demand.orders(day);
        let first = orders.start;
        let (drawn, baskets): (Vec<Life>, Vec<Basket>) = orders.map(draw).unzip();
        sold.sort_unstable();
        sold.dedup();
        Self { day, lives: drawn, baskets: Baskets { first, all: Arc::new(baskets) }, sold }
    }
}

/// What one interval tells.
pub(crate) struct Told {
    /// The interval's number, from 0.
    pub number: u32,
    events: Vec<Event>,
    baskets: Baskets,
    products: Vec<u32>,
    sellers: Vec<u32>,
}

/// What one interval's drops hold.
pub(crate) struct Delivery {
    pub told: Arc<Told>,
    /// The interval before, if something of it is delivered again.
    pub previous: Option<Arc<Told>>,
}

/// How long a schedule goes, and what disturbs it.
#[derive(Clone)]
pub(crate) struct Plan {
    pub cadence: Cadence,
    /// Intervals whose drops are made; what happens later is not told.
    pub intervals: u32,
    /// Intervals of the span that the shop was simulated for; they end alike whether it goes on or not.
    pub span: u32,
    pub injector: Option<Arc<Injector>>,
}

/// Orders under way, by the interval in which they are heard of next.
pub(crate) struct Schedule {
    plan: Plan,
    seed: u64,
    seconds: u32,
    per_day: u32,
    /// The next interval, and what waits for it and those after it.
    next: u32,
    waiting: VecDeque<Vec<Event>>,
    last: Option<Arc<Told>>,
    known_products: Vec<bool>,
    known_sellers: Vec<bool>,
    seller_of: Vec<u32>,
}

impl Schedule {
    pub fn new(lives: &Lives, plan: Plan) -> Self {
        Self {
            seed: lives.seed,
            seconds: seconds_of(plan.cadence),
            per_day: per_day(plan.cadence),
            plan,
            next: 0,
            waiting: VecDeque::new(),
            last: None,
            known_products: vec![false; lives.catalogue.products.len()],
            known_sellers: vec![false; lives.catalogue.sellers.len()],
            seller_of: lives.catalogue.products.iter().map(|product| product.seller).collect(),
        }
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
                let mut told = Told {
                    number,
                    events: self.waiting.pop_front().unwrap_or_default(),
                    baskets: day.baskets.clone(),
                    products: Vec::new(),
                    sellers: Vec::new(),
                };
                while let Some((_, product)) = sold.next_if(|(interval, _)| *interval <= number) {
                    if !std::mem::replace(&mut self.known_products[product as usize], true) {
                        told.products.push(product);
                    }
                    let seller = self.seller_of[product as usize];
                    if !std::mem::replace(&mut self.known_sellers[seller as usize], true) {
                        told.sellers.push(seller);
                    }
                }
                self.delivery(told)
            })
            .collect()
    }

    /// Adds what is needed of the interval before. Without faults nothing of it is kept.
    fn delivery(&mut self, told: Told) -> Delivery {
        let told = Arc::new(told);
        let Some(injector) = &self.plan.injector else { return Delivery { told, previous: None } };
        let previous = self.last.replace(Arc::clone(&told)).filter(|_| injector.overlaps(told.number));
        Delivery { told, previous }
    }

    /// Whether an order's own row comes an interval after its purchase. Not where there is no later interval, and not
    /// at the end of the simulated span, which must be the same whether the shop is followed or not.
    fn told_late(&self, life: &Life) -> bool {
        let next = life.bought / self.seconds + 1;
        self.plan.injector.is_some()
            && next < self.plan.intervals
            && next != self.plan.span
            && Chance::of(self.seed, Kind::ToldLate, life.number).happens(TOLD_LATE)
    }

    /// Puts an order wherever it is heard of.
    fn wait(&mut self, life: Life) {
        let mut heard: [(u32, u8); 7] = [(NEVER, 0); 7];
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
        if self.told_late(&life) {
            // Whatever its row would have told within the interval of its purchase, it tells in the next one.
            let next = (life.bought / self.seconds + 1) * self.seconds;
            heard[0].1 = PURCHASE;
            for event in &mut heard[1..4] {
                event.0 = event.0.max(next);
            }
            heard[6] = (next, ORDER | LATE);
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
            if interval < self.plan.intervals {
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

impl Told {
    /// Its rows. The interval's snapshots are among them if it is the first.
    pub fn sheets(&self, lives: &Lives, dates: &Dates, seconds: u32) -> Sheets {
        let writer = Writer { lives, dates };
        let mut sheets = Sheets::for_events(self.events.len());
        let end = (self.number + 1) * seconds;
        for (life, what) in &self.events {
            if what & ORDER != 0 {
                writer.order(&mut sheets, life, end);
            }
            if what & LATE != 0 {
                sheets.note_late_order();
            }
            if what & PURCHASE != 0 {
                writer.purchase(&mut sheets, life, self.baskets.of(life.number));
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
        sheets
    }
}
