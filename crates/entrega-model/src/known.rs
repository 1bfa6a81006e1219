//! When a value can be known: the events of an order's life, and the decisions that features are made for.
//!
//! ```text
//!  always ── purchase ─┬─ approval
//!                      ├─ handover
//!                      ├─ delivery          never: at no event. A value like order_status is
//!                      └─ review ─ answer          overwritten, so nobody can say since when it stood
//! ```
//!
//! The events after the purchase have no order that always holds (a parcel may be handed over before its payment is
//! approved), so each of them proves only itself.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// The event at which a value can be known at the earliest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// It is no value of an order: sellers, products, places, days.
    Always,
    /// When the order is bought.
    Purchase,
    /// When its payment is approved.
    Approval,
    /// When its parcel is handed to the carrier.
    Handover,
    /// When the customer receives it.
    Delivery,
    /// When the customer is asked for a review.
    Review,
    /// When the customer answers.
    Answer,
    /// At no event: the value is overwritten, and nobody can say since when it stood.
    Never,
}

impl Known {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Always,
        Self::Purchase,
        Self::Approval,
        Self::Handover,
        Self::Delivery,
        Self::Review,
        Self::Answer,
        Self::Never,
    ];

    /// Its name, as contracts spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Purchase => "purchase",
            Self::Approval => "approval",
            Self::Handover => "handover",
            Self::Delivery => "delivery",
            Self::Review => "review",
            Self::Answer => "answer",
            Self::Never => "never",
        }
    }

    /// All names, for error texts.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Whether it can be known when these events have happened.
    ///
    /// ```
    /// use entrega_model::known::Known;
    /// let events = [Known::Purchase].into();
    /// assert!(Known::Always.by(&events) && Known::Purchase.by(&events));
    /// assert!(!Known::Delivery.by(&events) && !Known::Never.by(&events));
    /// ```
    #[must_use]
    pub fn by(self, events: &BTreeSet<Self>) -> bool {
        self == Self::Always || (self != Self::Never && events.contains(&self))
    }
}

impl fmt::Display for Known {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The moment for which a features model is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The moment of the purchase.
    Purchase,
    /// The later of hand-over and purchase.
    Handover,
}

impl Decision {
    /// Its name, as models spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Handover => "handover",
        }
    }

    /// The events of the order itself that count as known.
    #[must_use]
    pub fn events(self) -> BTreeSet<Known> {
        match self {
            Self::Purchase => [Known::Purchase].into(),
            Self::Handover => [Known::Purchase, Known::Approval, Known::Handover].into(),
        }
    }

    /// The events whose latest moment the decision is.
    #[must_use]
    pub fn moments(self) -> &'static [Known] {
        match self {
            Self::Purchase => &[Known::Purchase],
            Self::Handover => &[Known::Purchase, Known::Handover],
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
