/*---
description = "The sellers and where they send from: one row per seller."
grain = ["seller_id"]
write = "upsert"
source = "sellers"
columns = [
  ["seller_id", "STRING", "The seller. Source: sellers."],
  ["seller_zip_code_prefix", "STRING", "First five digits of the seller's postal code. Source: sellers."],
  ["seller_city", "STRING", "City of the seller in lower case, without accents, blanks single. Source: sellers."],
  ["seller_state", "STRING", "State of the seller: one of the 27 federation units. Source: sellers."],
  ["_drop", "STRING", "The drop that brought this version of the row, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["seller_id"] },
  { kind = "accepted_values", column = "seller_state", values = ["AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO"] },
]
---*/
with sellers as (
  select * from landing.sellers
),

-- The city is mended as in clean.customers; the reasons stand there.
lower_case as (
  select *, lower(seller_city) as city from sellers
),

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
  seller_id,
  seller_zip_code_prefix,
  clean_city as seller_city,
  seller_state,
  _drop
from single_blanks
