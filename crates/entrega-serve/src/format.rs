//! How figures are written: one way for each unit.

use chrono::NaiveDate;
use entrega_model::metrics::Unit;

/// A space that does not break and is narrow, as typographers set it before a percent sign.
const THIN: char = '\u{202f}';
/// The true minus sign, as wide as a plus.
const MINUS: char = '\u{2212}';

/// A figure in its unit; `–` where there is none.
pub(crate) fn figure(value: Option<f64>, unit: Unit) -> String {
    let Some(value) = value else { return "–".to_owned() };
    match unit {
        Unit::Count => decimal(value, 0),
        Unit::Reais => format!("R$\u{a0}{}", decimal(value, 0)),
        Unit::Share => percent(value),
        Unit::Days => format!("{}{THIN}d", decimal(value, 1)),
        Unit::Score => decimal(value, 2),
    }
}

/// A mean over days: counts keep no decimals once they are large.
pub(crate) fn mean(value: Option<f64>, unit: Unit) -> String {
    match (unit, value) {
        (Unit::Count, Some(value)) if value < 20.0 => decimal(value, 1),
        _ => figure(value, unit),
    }
}

/// How far `now` is from `then`, with its sign: percent for amounts, points for shares, the unit for the rest. Small
/// amounts are told as a difference, because a percentage of 3 says little.
pub(crate) fn change(now: f64, then: f64, unit: Unit) -> String {
    let difference = now - then;
    match unit {
        Unit::Count if then < 20.0 => signed(difference, usize::from(then.fract().abs() >= 0.05)),
        Unit::Count | Unit::Reais if then > 0.0 => format!("{}{THIN}%", signed(100.0 * difference / then, 0)),
        Unit::Count | Unit::Reais => signed(difference, 0),
        Unit::Share => format!("{}{THIN}pts", signed(100.0 * difference, 1)),
        Unit::Days => format!("{}{THIN}d", signed(difference, 1)),
        Unit::Score => signed(difference, 2),
    }
}

/// A share in percent with one decimal.
pub(crate) fn percent(share: f64) -> String {
    format!("{}{THIN}%", decimal(100.0 * share, 1))
}

/// A number with its sign; what rounds to nothing is `±0`.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let text = decimal(value.abs(), decimals);
    if text.chars().all(|c| matches!(c, '0' | '.')) {
        return "±0".to_owned();
    }
    format!("{}{text}", if value < 0.0 { MINUS } else { '+' })
}

/// A number with thousands apart.
pub(crate) fn decimal(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, part)| (whole, Some(part)));
    let mut out = String::new();
    if value < 0.0 && text.chars().any(|c| matches!(c, '1'..='9')) {
        out.push(MINUS);
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// `23 August 2018`.
pub(crate) fn long_date(date: NaiveDate) -> String {
    date.format("%-d %B %Y").to_string()
}

/// `23 Aug 2018`.
pub(crate) fn short_date(date: NaiveDate) -> String {
    date.format("%-d %b %Y").to_string()
}

/// The states of Brazil: code, name, column and row on the tile map.
pub(crate) const STATES: [(&str, &str, u8, u8); 27] = [
    ("RR", "Roraima", 1, 0),
    ("AP", "Amapá", 2, 0),
    ("AM", "Amazonas", 1, 1),
    ("PA", "Pará", 2, 1),
    ("MA", "Maranhão", 3, 1),
    ("CE", "Ceará", 4, 1),
    ("RN", "Rio Grande do Norte", 5, 1),
    ("AC", "Acre", 0, 2),
    ("RO", "Rondônia", 1, 2),
    ("TO", "Tocantins", 2, 2),
    ("PI", "Piauí", 3, 2),
    ("PE", "Pernambuco", 4, 2),
    ("PB", "Paraíba", 5, 2),
    ("MT", "Mato Grosso", 1, 3),
    ("DF", "Distrito Federal", 2, 3),
    ("BA", "Bahia", 3, 3),
    ("SE", "Sergipe", 4, 3),
    ("AL", "Alagoas", 5, 3),
    ("MS", "Mato Grosso do Sul", 1, 4),
    ("GO", "Goiás", 2, 4),
    ("MG", "Minas Gerais", 3, 4),
    ("ES", "Espírito Santo", 4, 4),
    ("SP", "São Paulo", 2, 5),
    ("RJ", "Rio de Janeiro", 3, 5),
    ("PR", "Paraná", 2, 6),
    ("SC", "Santa Catarina", 2, 7),
    ("RS", "Rio Grande do Sul", 2, 8),
];

/// A state's name; codes that are none stay as they are.
pub(crate) fn state_name(code: &str) -> &str {
    STATES.iter().find(|(known, ..)| *known == code).map_or(code, |(_, name, ..)| name)
}

/// `health_beauty` as people write it: `Health beauty`.
pub(crate) fn category_name(category: &str) -> String {
    let words = category.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_carry_their_unit() {
        assert_eq!(figure(Some(1_234.4), Unit::Count), "1,234");
        assert_eq!(figure(Some(1_234_567.8), Unit::Reais), "R$\u{a0}1,234,568");
        assert_eq!(figure(Some(0.9318), Unit::Share), "93.2\u{202f}%");
        assert_eq!(figure(Some(8.04), Unit::Days), "8.0\u{202f}d");
        assert_eq!(figure(None, Unit::Score), "–");
        assert_eq!(decimal(-0.01, 1), "0.0");
        assert_eq!(decimal(-1_234.5, 1), "\u{2212}1,234.5");
    }

    #[test]
    fn changes_are_told_in_what_helps() {
        assert_eq!(change(144.0, 187.0, Unit::Count), "\u{2212}23\u{202f}%");
        assert_eq!(change(5.0, 3.0, Unit::Count), "+2");
        assert_eq!(change(5.0, 0.0, Unit::Count), "+5");
        assert_eq!(change(0.912, 0.926, Unit::Share), "\u{2212}1.4\u{202f}pts");
        assert_eq!(change(8.04, 8.0, Unit::Days), "±0\u{202f}d");
        assert_eq!(change(4.21, 4.0, Unit::Score), "+0.21");
    }

    #[test]
    fn every_state_has_its_own_tile() {
        let tiles: std::collections::BTreeSet<_> = STATES.iter().map(|(_, _, column, row)| (column, row)).collect();
        assert_eq!(tiles.len(), STATES.len());
    }
}
