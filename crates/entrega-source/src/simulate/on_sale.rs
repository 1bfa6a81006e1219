//! What can be bought on a day, and how well it sells.
//!
//! ```text
//!  fortnights    0   1   2   3   4   5   6   7
//!  spans of 1    ·   ▪   ·   ·   ·   ·   ▪   ·        a product on sale in the fortnights 1 to 6
//!  spans of 2    · · ·   ▪ ▪ ▪   ▪ ▪ ▪   · · ·        is in these four spans
//!  spans of 4    · · · · · · ·   · · · · · · ·
//! ```
//!
//! A draw picks one of the few spans that hold the day by what is sold in them, then a product of that span in constant
//! time. Fortnights, because a table by day would be thrice as large; who draws rejects the few products that are on sale
//! on another day of the fortnight only. Drawing among all products until one is on sale took half of a simulation's time.

use super::chance::Chance;
use crate::SourceError;

/// Days that a span has at least.
const FORTNIGHT: u32 = 14;

/// Products by the days of a round on which they are on sale.
pub(crate) struct OnSale {
    /// The spans over `n` are `2 n` and `2 n + 1`; the first fortnight is in the middle of the list.
    spans: Vec<Span>,
    /// For each fortnight, its span, or that of the nearest one in which something is on sale.
    stocked: Vec<usize>,
}

/// Products that are on sale for a whole span of days.
#[derive(Default)]
struct Span {
    weight: f64,
    slots: Vec<Slot>,
}

/// A part of a span as large as any other: one product up to a share of it, then another (Vose's alias method). A draw
/// reads one place of memory, which is what it costs when there are half a million products.
struct Slot {
    share: f32,
    one: u32,
    other: u32,
}

impl OnSale {
    /// From products, how well each sells on a day on which it is on sale, and its days: from the first and before the
    /// second, in a round of so many days. What has no day or no finite weight is never sold.
    ///
    /// # Errors
    /// When nothing is ever on sale.
    pub fn new(round: u32, offers: impl Iterator<Item = (u32, f64, [u32; 2])>) -> Result<Self, SourceError> {
        let fortnights = round.div_ceil(FORTNIGHT) as usize;
        let mut held: Vec<Vec<(u32, f64)>> = vec![Vec::new(); 2 * fortnights];
        for (product, weight, [from, before]) in offers {
            // Days without a single order make a weight without bounds.
            if from >= before || weight <= 0.0 || !weight.is_finite() {
                continue;
            }
            let mut from = fortnights + (from / FORTNIGHT) as usize;
            let mut before = fortnights + before.div_ceil(FORTNIGHT) as usize;
            while from < before {
                if from % 2 == 1 {
                    held[from].push((product, weight));
                    from += 1;
                }
                if before % 2 == 1 {
                    before -= 1;
                    held[before].push((product, weight));
                }
                from /= 2;
                before /= 2;
            }
        }
        let spans: Vec<Span> = held.into_iter().map(|products| Span::of(&products)).collect();
        let stock: Vec<usize> =
            (fortnights..2 * fortnights).filter(|leaf| above(*leaf).any(|span| spans[span].weight > 0.0)).collect();
        let nearest = |leaf: usize| stock.iter().copied().min_by_key(|other| other.abs_diff(leaf));
        let stocked = (fortnights..2 * fortnights).map(nearest).collect::<Option<_>>();
        let stocked =
            stocked.ok_or_else(|| SourceError::Parameters { problem: "nothing is ever on sale".to_owned() })?;
        Ok(Self { spans, stocked })
    }

    /// A product that is on sale in the fortnight of a day of the round, perhaps on another day of it.
    pub fn pick(&self, day: u32, chance: &mut Chance) -> u32 {
        let held = || above(self.stocked[(day / FORTNIGHT) as usize]).map(|span| &self.spans[span]);
        let mut left = chance.share() * held().map(|span| span.weight).sum::<f64>();
        let chosen = held().find(|span| {
            left -= span.weight;
            left < 0.0
        });
        // Rounding may leave a little over.
        let chosen = chosen.or_else(|| held().find(|span| span.weight > 0.0));
        chosen.map_or(0, |span| span.pick(chance))
    }
}

impl Span {
    fn of(products: &[(u32, f64)]) -> Self {
        let weight: f64 = products.iter().map(|(_, weight)| weight).sum();
        let even = weight / products.len() as f64;
        let mut slots: Vec<Slot> =
            products.iter().map(|(product, _)| Slot { share: 1.0, one: *product, other: *product }).collect();
        // What each product has too little to fill its slot, one that has too much gives.
        let mut left: Vec<f64> = products.iter().map(|(_, weight)| weight / even).collect();
        let (mut poor, mut rich): (Vec<usize>, Vec<usize>) = (0..left.len()).partition(|slot| left[*slot] < 1.0);
        while let (Some(taker), Some(giver)) = (poor.pop(), rich.last().copied()) {
            slots[taker].share = left[taker] as f32;
            slots[taker].other = slots[giver].one;
            left[giver] -= 1.0 - left[taker];
            if left[giver] < 1.0 {
                rich.pop();
                poor.push(giver);
            }
        }
        Self { weight, slots }
    }

    fn pick(&self, chance: &mut Chance) -> u32 {
        let place = chance.share() * self.slots.len() as f64;
        let slot = &self.slots[place as usize];
        if ((place - place.floor()) as f32) < slot.share { slot.one } else { slot.other }
    }
}

/// A span and those over it.
fn above(span: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(span), |span| Some(span / 2)).take_while(|span| *span > 0)
}

#[cfg(test)]
mod tests {
    use super::{super::chance::Kind, *};

    #[test]
    fn products_sell_by_their_weights_while_they_are_on_sale() {
        let offers = [(0, 1.0, [0, 100]), (1, 2.0, [20, 65]), (2, 5.0, [28, 84]), (3, 0.0, [0, 100])];
        let on_sale = OnSale::new(100, offers.into_iter()).unwrap();
        for day in (0..98).step_by(7) {
            let mut chance = Chance::of(1, Kind::Basket, u64::from(day));
            let mut sold = [0.0; 4];
            for _ in 0..20_000 {
                sold[on_sale.pick(day, &mut chance) as usize] += 1.0 / 20_000.0;
            }
            // Whatever is on sale on any day of the fortnight.
            let fortnight = [day / FORTNIGHT, day / FORTNIGHT + 1].map(|number| number * FORTNIGHT);
            let weights = offers.map(
                |(_, weight, [from, before])| {
                    if from < fortnight[1] && fortnight[0] < before { weight } else { 0.0 }
                },
            );
            let total: f64 = weights.iter().sum();
            for (sold, weight) in sold.iter().zip(weights) {
                assert!((sold - weight / total).abs() < 0.02, "day {day}: {sold} of {weight} / {total}");
            }
        }
    }

    #[test]
    fn when_nothing_is_on_sale_the_nearest_days_are() {
        let on_sale = OnSale::new(400, [(7, 1.0, [0, 10]), (8, 1.0, [390, 400])].into_iter()).unwrap();
        let mut chance = Chance::of(1, Kind::Basket, 1);
        assert_eq!([100, 300].map(|day| on_sale.pick(day, &mut chance)), [7, 8]);
        assert!(
            OnSale::new(400, [(7, 1.0, [5, 5]), (8, f64::INFINITY, [5, 9])].into_iter()).is_err(),
            "of nothing nothing can be sold"
        );
    }
}
