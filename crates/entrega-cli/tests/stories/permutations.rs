//! Any permutation and repetition of any drops gives the same tables: drops drawn at random, taken in random orders.
//!
//! The drops hold what makes order hard: events of one order over several drops and months, children that come before
//! their order, rows that contradict each other, rows that are no good, deletions, whole snapshots.

use proptest::prelude::*;

use crate::support::{
    Contents, Delivery, Lake, assert_same,
    rows::{bought, customer, delivered, item, order_id, payment, product, review, seller},
};

/// Orders, products and sellers that drops tell of.
const THINGS: std::ops::Range<u32> = 1..5;

/// One thing that a drop says.
#[derive(Debug, Clone)]
enum Said {
    Order { order: u32, month: u32, done: bool },
    Customer { order: u32, state: &'static str },
    Item { order: u32, number: u32, product: u32, price: u32 },
    Payment { order: u32, value: u32 },
    Review { order: u32, score: u32 },
    Product { product: u32, category: &'static str },
    Seller { state: &'static str },
    Gone { order: u32 },
    GoneItem { order: u32, number: u32 },
    GoneProduct { product: u32 },
}

fn said() -> impl Strategy<Value = Said> {
    let state = prop_oneof![Just("SP"), Just("RJ"), Just("XX")];
    let category = prop_oneof![Just("bebes"), Just("perfumaria")];
    prop_oneof![
        6 => (THINGS, 1u32..4, any::<bool>()).prop_map(|(order, month, done)| Said::Order { order, month, done }),
        3 => (THINGS, state.clone()).prop_map(|(order, state)| Said::Customer { order, state }),
        4 => (THINGS, 1u32..3, THINGS, 1u32..90).prop_map(|(order, number, product, price)| Said::Item { order, number, product, price }),
        2 => (THINGS, 1u32..90).prop_map(|(order, value)| Said::Payment { order, value }),
        2 => (THINGS, 1u32..7).prop_map(|(order, score)| Said::Review { order, score }),
        2 => (THINGS, category).prop_map(|(product, category)| Said::Product { product, category }),
        1 => state.prop_map(|state| Said::Seller { state }),
        2 => THINGS.prop_map(|order| Said::Gone { order }),
        1 => (THINGS, 1u32..3).prop_map(|(order, number)| Said::GoneItem { order, number }),
        1 => THINGS.prop_map(|product| Said::GoneProduct { product }),
    ]
}

/// The drop of a day of February that says these things. With `whole`, its orders are all that there are.
fn drop_of(day: usize, said: &[Said], whole: bool) -> Delivery {
    let mut rows: std::collections::BTreeMap<&str, Vec<String>> = std::collections::BTreeMap::new();
    let mut add = |source, row: String| rows.entry(source).or_default().push(row);
    for thing in said {
        match *thing {
            Said::Order { order, month, done: true } => {
                let at = |day: u32| format!("2018-0{month}-{day:02} 10:00:00");
                let [bought, approved, handed, arrived] = [at(1 + order), at(2 + order), at(4 + order), at(20 + order)];
                let row = delivered(order, [&bought, &approved, &handed, &arrived], &format!("2018-0{month}-23"));
                add("orders", format!("{row},"));
            }
            Said::Order { order, month, done: false } => {
                let row =
                    bought(order, &format!("2018-0{month}-0{} 10:00:00", 1 + order), &format!("2018-0{month}-23"));
                add("orders", format!("{row},"));
            }
            Said::Customer { order, state } => add("customers", customer(order, "01037", state)),
            Said::Item { order, number, product, price } => {
                add(
                    "order_items",
                    format!("{},", item(order, number, product, 1, "2018-02-20 10:00:00", &format!("{price}.00"))),
                );
            }
            Said::Payment { order, value } => add("order_payments", payment(order, &format!("{value}.50"))),
            Said::Review { order, score } => add("order_reviews", review(order, order, score, "2018-02-25")),
            Said::Product { product: number, category } => add("products", format!("{},", product(number, category))),
            Said::Seller { state } => add("sellers", seller(1, "13023", state)),
            Said::Gone { order } => add("orders", format!("{},,,,,,,,true", order_id(order))),
            Said::GoneItem { order, number } => add("order_items", format!("{},{number},,,,,,true", order_id(order))),
            Said::GoneProduct { product: number } => {
                let row = product(number, "");
                add("products", format!("{},,,,,,,,,true", row.split(',').next().unwrap()));
            }
        }
    }
    let whole = whole && rows.contains_key("orders");
    let delivery =
        rows.into_iter().fold(Delivery::day(&format!("2018-02-{:02}", day + 1)), |delivery, (source, rows)| {
            if ["orders", "order_items", "products"].contains(&source) {
                delivery.with_column(source, "_deleted", &rows)
            } else {
                delivery.with(source, &rows)
            }
        });
    if whole { delivery.whole("orders") } else { delivery }
}

/// What a drop says, and whether its orders are all that there are.
type Drawn = (Vec<Said>, bool);

/// Some drops, and an order in which to take them: places of drops, some of them twice, and after which a batch ends.
fn drops_and_order() -> impl Strategy<Value = (Vec<Drawn>, Vec<usize>, Vec<bool>)> {
    let drop = (prop::collection::vec(said(), 1..8), prop::bool::weighted(0.15));
    prop::collection::vec(drop, 3..6).prop_flat_map(|drops| {
        let places: Vec<usize> = (0..drops.len()).chain(0..2).collect();
        let batches = prop::collection::vec(any::<bool>(), places.len());
        (Just(drops), Just(places).prop_shuffle(), batches)
    })
}

proptest! {
    // A case starts the binary about twenty times.
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 30, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_gives_the_same_tables((drops, order, ends_batch) in drops_and_order()) {
        let delivery = |place: usize| {
            let (said, whole) = &drops[place];
            drop_of(place, said, *whole)
        };
        let together = Lake::empty();
        for place in 0..drops.len() {
            delivery(place).deliver(&together);
        }
        together.ok("run all");
        let shuffled = Lake::empty();
        let mut seen = std::collections::HashSet::new();
        for (turn, place) in order.into_iter().enumerate() {
            // The second time under another folder, as if it had been sent twice.
            let again = format!("landing/dt=2018-02-{:02}/again={turn}", place + 1);
            if seen.insert(place) { delivery(place).deliver(&shuffled) } else { delivery(place).under(&again).deliver(&shuffled) };
            if ends_batch[turn] {
                shuffled.ok("run all");
            }
        }
        shuffled.ok("run all");
        assert_same(&Contents::of(&together), &Contents::of(&shuffled), "drops in another order");
        prop_assert!(shuffled.ok("op reconcile").contains("\"reconciled\": true"));
    }
}
