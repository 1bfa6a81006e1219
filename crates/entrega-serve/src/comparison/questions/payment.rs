//! How orders are paid, and how long approval takes.

use super::{Axis, Chapter, Scale, Unit, numbers, shares};

pub(super) const CHAPTER: Chapter = Chapter {
    name: "payment",
    title: "How it is paid",
    questions: &[
        shares(
            "payment_types",
            "Types of payment",
            "payments",
            Axis::Names(5),
            "select payment_type as bin, count(*) as weight from order_payments group by payment_type",
        ),
        shares(
            "installments",
            "Instalments on credit cards",
            "payments",
            Axis::Steps("instalments"),
            "
select
  payment_installments as bin,
  count(*) as weight
from order_payments
where payment_type = 'credit_card' and payment_installments between 1 and 12
group by payment_installments",
        ),
        shares(
            "payments_by_order",
            "Payments of an order",
            "orders",
            Axis::Steps("payments, 6 or more together"),
            "
select
  least(n_payments, 6) as bin,
  count(*) as weight
from (select order_id, count(*) as n_payments from order_payments group by order_id) as orders_paid
group by least(n_payments, 6)",
        ),
        numbers(
            "payment_value",
            "Amount paid for an order",
            "orders",
            Unit::Reais,
            Scale::Log,
            "select payment_value as value from deliveries where payment_value > 0",
        ),
        numbers(
            "approval_time",
            "From purchase to approval",
            "orders",
            Unit::Hours,
            Scale::Log,
            "select approval_seconds / 3600.0 as value from deliveries where approval_seconds > 0",
        ),
    ],
};
