/*---
description = "The payments of the orders: one row per means of payment that an order used."
grain = ["order_id", "payment_sequential"]
write = "upsert"
partition = "purchase_month"
source = "order_payments"
columns = [
  ["order_id", "STRING", "The order paid. Source: order_payments."],
  ["payment_sequential", "INT", "The payment's number within its order, from 1. Source: order_payments."],
  ["payment_type", "STRING", "credit_card, boleto, voucher, debit_card, or not_defined where the order system does not know. Source: order_payments."],
  ["payment_installments", "INT", "Number of instalments; 0 occurs and stays. Source: order_payments."],
  ["payment_value", "DECIMAL(12,2)", "Amount paid in reais. Source: order_payments."],
  ["purchase_month", "DATE", "First day of the purchase month of the order."],
  ["_drop", "STRING", "The drop that brought this version of the row, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["order_id", "payment_sequential", "purchase_month"] },
]
---*/
with order_payments as (
  select * from landing.order_payments
)

select
  order_id,
  payment_sequential,
  payment_type,
  payment_installments,
  payment_value,
  purchase_month,
  _drop
from order_payments
