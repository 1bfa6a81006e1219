/*---
description = "The customer record of each order: one row per customer_id, that is per order, with the person behind it and the delivery address."
grain = ["customer_id"]
write = "upsert"
partition = "purchase_month"
source = "customers"
columns = [
  ["customer_id", "STRING", "The customer record; one per order. Source: customers."],
  ["customer_unique_id", "STRING", "The person: the same over all orders of one customer. Source: customers."],
  ["customer_zip_code_prefix", "STRING", "First five digits of the delivery address's postal code. Source: customers."],
  ["customer_city", "STRING", "City of the delivery address in lower case, without accents, blanks single. Source: customers."],
  ["customer_state", "STRING", "State of the delivery address: one of the 27 federation units. Source: customers."],
  ["purchase_month", "DATE", "First day of the purchase month of the order."],
  ["_drop", "STRING", "The drop that brought this version of the row, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["customer_id", "customer_unique_id", "purchase_month"] },
  { kind = "accepted_values", column = "customer_state", values = ["AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO"] },
]
---*/
with customers as (
  select * from landing.customers
),

lower_case as (
  select *, lower(customer_city) as city from customers
),

-- Few names hold an accent, and translate is slow: only names with more bytes than characters go through it.
without_accents as (
  select
    *,
    case
      when octet_length(city) > char_length(city)
        then translate(city, 'áàâãäåéèêëíìîïóòôõöúùûüçñýÿ', 'aaaaaaeeeeiiiiooooouuuucnyy')
      else city
    end as plain_city
  from lower_case
),

-- Every run of blanks becomes one: each blank turns into '<>', the '><' between neighbours go, '<>' turns back.
-- (regexp_replace replaces once in one engine and everywhere in the other.)
single_blanks as (
  select
    *,
    case
      when plain_city like '%  %' then replace(replace(replace(plain_city, ' ', '<>'), '><', ''), '<>', ' ')
      else plain_city
    end as clean_city
  from without_accents
)

select
  customer_id,
  customer_unique_id,
  customer_zip_code_prefix,
  clean_city as customer_city,
  customer_state,
  purchase_month,
  _drop
from single_blanks
