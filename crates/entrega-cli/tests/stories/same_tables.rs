//! The same tables, whatever way the drops came: one by one, in any order, twice, by the hour, or all at once.

use std::{fs, sync::OnceLock};

use crate::support::{Contents, Lake, assert_same};

/// What one big drop says.
fn one_drop(arguments: &str) -> Contents {
    let lake = Lake::replayed(&format!("--as one-drop {arguments}"));
    lake.ok("run all");
    Contents::of(&lake)
}

/// What one big drop of the whole shop says; made once for all stories.
fn whole_shop() -> &'static Contents {
    static WHOLE: OnceLock<Contents> = OnceLock::new();
    WHOLE.get_or_init(|| one_drop(""))
}

/// A small generator (xorshift), so that a seed names the same order for ever.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[test]
fn the_shop_itself_is_not_empty() {
    let contents = whole_shop();
    assert_eq!(contents.rows("clean.orders").len(), 30);
    assert_eq!(contents.rows("clean.deliveries").len(), 30);
    assert_eq!(contents.rows("clean.order_items").len(), 35);
    assert_eq!(contents.rows("clean.order_reviews").len(), 27);
    assert_eq!(contents.rows("ops.missing_references").len(), 2, "seller 5 and product 99 never come");
}

#[test]
fn many_drops_in_one_batch() {
    let lake = Lake::replayed("--cadence daily");
    lake.ok("run all");
    assert_same(whole_shop(), &Contents::of(&lake), "87 daily drops in one batch");
}

#[test]
fn drops_one_by_one() {
    let lake = Lake::replayed("--cadence daily");
    lake.ok("run all --one-by-one");
    assert_same(whole_shop(), &Contents::of(&lake), "87 daily drops one by one");
}

#[test]
fn a_stretch_by_the_hour() {
    let lake = Lake::replayed("--cadence hourly --from 2018-01-24 --to 2018-02-03");
    // Some alone, the rest together: several hundred batches would only take time.
    lake.ok("run all --to 2018-01-24T12:00:00 --one-by-one");
    lake.ok("run all");
    assert_same(&one_drop("--to 2018-02-03"), &Contents::of(&lake), "hourly drops after a baseline");
}

#[test]
fn ingest_first_and_summary_later() {
    let lake = Lake::replayed("--cadence daily");
    lake.ok("run ingest --to 2018-02-01");
    lake.ok("run ingest --to 2018-02-10");
    lake.ok("run summary");
    lake.ok("run ingest --from 2018-03-01");
    lake.ok("run features");
    lake.ok("run ingest");
    lake.ok("run summary");
    lake.ok("run features");
    assert_same(whole_shop(), &Contents::of(&lake), "summaries and features later than ingests, and a gap filled");
}

/// Takes the drops in a shuffled order, in batches of mixed sizes, and asks for drops again that are taken already.
fn shuffled(seed: u64) {
    let mut dice = Dice(seed);
    let lake = Lake::replayed("--cadence daily");
    let mut drops = lake.drops();
    assert_eq!(drops.len(), 87);
    dice.shuffle(&mut drops);
    let mut taken = 0;
    while taken < drops.len() {
        let size = [1, 1, 3, 12, 25][dice.below(5)].min(drops.len() - taken);
        let mut wanted: Vec<&str> = drops[taken..taken + size].iter().map(String::as_str).collect();
        if taken > 0 {
            wanted.push(&drops[dice.below(taken)]);
        }
        let mut words = vec!["run", "all"];
        words.extend(wanted.iter().flat_map(|drop| ["--drop", drop]));
        lake.start(&words).succeeded();
        taken += size;
    }
    assert_same(whole_shop(), &Contents::of(&lake), &format!("shuffled drops, seed {seed}"));
    assert_eq!(lake.value("select count(distinct drop) as drops from ops.drops"), "87");
}

#[test]
fn shuffled_with_seed_1() {
    shuffled(1);
}

#[test]
fn shuffled_with_seed_20180823() {
    shuffled(20_180_823);
}

#[test]
fn shuffled_with_seed_987654321() {
    shuffled(987_654_321);
}

#[test]
fn the_newest_first() {
    let lake = Lake::replayed("--cadence daily");
    let drops = lake.drops();
    for part in drops.rchunks(9) {
        let mut words = vec!["run", "all"];
        words.extend(part.iter().flat_map(|drop| ["--drop", drop.as_str()]));
        lake.start(&words).succeeded();
    }
    assert_same(whole_shop(), &Contents::of(&lake), "the newest drops first");
}

#[test]
fn a_taken_drop_is_not_taken_again() {
    let lake = Lake::replayed("--cadence daily --to 2018-01-12");
    lake.ok("run all");
    let (before, batches) = (Contents::of(&lake), lake.batches());
    let said = lake.ok("run all --drop landing/dt=2018-01-05");
    assert!(said.contains("nothing to do"), "{said}");
    // A copy tool rewrites the same bytes with a new time.
    let manifest = lake.path().join("landing/dt=2018-01-05/_manifest.json");
    fs::write(&manifest, fs::read(&manifest).unwrap()).unwrap();
    let said = lake.ok("run all");
    assert!(said.contains("nothing to do"), "{said}");
    assert_same(&before, &Contents::of(&lake), "a drop asked for twice");
    assert_eq!(lake.batches(), batches);
}

#[test]
fn the_same_drop_under_another_name_changes_nothing() {
    let lake = Lake::replayed("--cadence daily --to 2018-01-12");
    lake.ok("run all");
    let before = Contents::of(&lake);
    let copy = lake.path().join("landing/dt=2018-01-05/hr=23");
    fs::create_dir_all(&copy).unwrap();
    for file in fs::read_dir(lake.path().join("landing/dt=2018-01-05"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
    {
        fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    lake.ok("run all");
    assert_same(&before, &Contents::of(&lake), "a drop delivered again under another folder");
    assert_eq!(lake.ok("run all").lines().count(), 1, "nothing is left to do");
    // From nothing, both copies in one batch.
    let fresh = Lake::replayed("--cadence daily --to 2018-01-12");
    let again = fresh.path().join("landing/dt=2018-01-05/hr=23");
    fs::create_dir_all(&again).unwrap();
    for file in fs::read_dir(&copy).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, again.join(file.file_name().unwrap())).unwrap();
    }
    fresh.ok("run all");
    assert_same(&before, &Contents::of(&fresh), "both copies of a drop in one batch");
}

#[test]
fn tables_that_were_published_stay_readable() {
    let lake = Lake::replayed("--cadence daily --to 2018-01-20");
    lake.ok("run all --to 2018-01-10");
    let count = |batch: &str| {
        lake.start(&["sql", "--output", "csv", "--as-of-batch", batch, "select count(*) as orders from clean.orders"])
            .succeeded()
    };
    let first = count("1");
    lake.ok("run all");
    assert_eq!(count("1"), first);
    assert_ne!(count("4"), first);
}
