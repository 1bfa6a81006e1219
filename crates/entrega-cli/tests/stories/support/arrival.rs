//! The same drops in several orders of arrival.

use super::{Contents, Delivery, Lake, assert_same};

/// Takes the drops one by one as listed, one by one from the last to the first, and all in one batch: the tables must be
/// the same. Gives the first lake.
#[track_caller]
pub fn in_any_order(deliveries: &[Delivery]) -> Lake {
    let one_by_one = |order: &mut dyn Iterator<Item = &Delivery>| {
        let lake = Lake::empty();
        for delivery in order {
            delivery.deliver(&lake);
            lake.ok("run all");
        }
        assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
        lake
    };
    let listed = one_by_one(&mut deliveries.iter());
    let expected = Contents::of(&listed);
    let together = Lake::empty();
    for delivery in deliveries {
        delivery.deliver(&together);
    }
    together.ok("run all");
    assert_same(&expected, &Contents::of(&together), "all drops in one batch");
    assert_same(&expected, &Contents::of(&one_by_one(&mut deliveries.iter().rev())), "the last drop first");
    listed
}
