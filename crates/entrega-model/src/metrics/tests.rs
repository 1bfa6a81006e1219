//! What holds of every metric.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_metric_is_named_once_and_explained() {
    let mut names = BTreeSet::new();
    for metric in METRICS {
        assert!(names.insert(metric.name), "{} appears twice", metric.name);
        assert!(
            metric.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
            "{}",
            metric.name
        );
        assert!(!metric.label.is_empty(), "{} has no label", metric.name);
        assert!(metric.description.ends_with('.') && metric.description.len() > 20, "{} is not explained", metric.name);
        let rests_on_a_number = matches!(metric.formula, Formula::Ratio { .. } | Formula::DeliveryDaysQuantile { .. });
        assert_eq!(rests_on_a_number, !metric.base.is_empty(), "{}: a rate says what it is a rate of", metric.name);
    }
}

#[test]
fn every_metric_has_a_statement_of_its_own() {
    let (first, last) = ("2018-07-27".parse().unwrap(), "2018-08-23".parse().unwrap());
    let statements: BTreeSet<_> = METRICS.iter().map(|metric| metric.formula.statement(first, last)).collect();
    assert_eq!(statements.len(), METRICS.len());
}

#[test]
fn a_ratio_without_a_base_has_no_value() {
    let sums = BTreeMap::from([("delivered_late".to_owned(), 3.0), ("delivered".to_owned(), 12.0)]);
    assert_eq!(metric("on_time_rate").unwrap().formula.value(&sums), Some(0.75));
    assert_eq!(metric("on_time_rate").unwrap().formula.value(&BTreeMap::new()), None);
    assert_eq!(metric("orders").unwrap().formula.value(&BTreeMap::new()), Some(0.0));
}

#[test]
fn a_quantile_is_spread_inside_its_day() {
    let one_day = BTreeMap::from([(7, 10.0)]);
    assert_eq!(delivery_days_quantile(&one_day, 0.5), Some(7.5));
    assert_eq!(delivery_days_quantile(&BTreeMap::new(), 0.5), None);
}

#[test]
fn one_month_is_named_by_itself() {
    let day = "2018-08-23".parse().unwrap();
    assert_eq!(days_between(day, day), "date = date '2018-08-23' and month = date '2018-08-01'");
}
