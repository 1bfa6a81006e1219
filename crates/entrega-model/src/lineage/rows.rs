//! Rows that are put together: `group by`, `distinct` and `union all`.
//!
//! ```text
//!  group by a    a group is there because of a; its values are those of all its rows
//!  distinct      a row is there because of all of its values
//!  union all     column by column: what either side reads
//! ```

use sqlparser::ast::Expr;

use super::{
    Constant, Lineage, Moment, Relation,
    expression::Reader,
    query::{Walker, not_understood},
};
use crate::ModelError;

/// Rows are put together: a group is there because of its keys, and its values are those of all of its rows.
pub(crate) fn group(
    reader: &Reader<'_, '_>,
    keys: &[Expr],
    having: Option<&Expr>,
    relation: &mut Relation,
) -> Result<(), ModelError> {
    let mut deciding = relation.deciding_rows();
    let mut of_one_order = false;
    for key in keys {
        deciding.add_decider(&reader.lineage(key)?);
        if let Some(position) = reader.position(key)? {
            of_one_order |= reader.from.relation.columns[position].names_order;
        }
    }
    if let Some(having) = having {
        deciding.add_decider(&reader.condition(having)?);
    }
    deciding.forget_proofs();
    for column in &mut relation.columns {
        column.lineage.add_decider(&deciding);
        column.lineage.forget_proofs();
        column.lineage.across |= !of_one_order && column.lineage.of_orders();
        column.clock = None;
        column.constant = None;
    }
    deciding.across |= !of_one_order && deciding.of_orders();
    // Without keys there is always one row.
    relation.rows = if keys.is_empty() && having.is_none() { Lineage::default() } else { deciding };
    relation.pending.clear();
    relation.settled.clear();
    Ok(())
}

/// Each row once: whether a row is there depends on all of its values.
pub(crate) fn distinct(relation: &mut Relation) {
    let mut deciding = relation.deciding_rows();
    for column in &relation.columns {
        deciding.add_decider(&column.lineage);
    }
    let of_one_order = relation.columns.iter().any(|column| column.names_order);
    deciding.across |= !of_one_order && deciding.of_orders();
    relation.rows = deciding;
    relation.pending.clear();
    relation.key = Some((0..relation.columns.len()).collect());
}

/// Rows of both, column by column.
pub(crate) fn union(left: Relation, right: Relation, walker: &Walker<'_>) -> Result<Relation, ModelError> {
    if left.columns.len() != right.columns.len() {
        let lengths = format!("{} columns above, {} below", left.columns.len(), right.columns.len());
        return Err(not_understood("the union", &lengths, "give each select the same columns, in order"));
    }
    let mut rows = left.rows;
    rows.add_decider(&right.rows);
    let mut pending = left.pending;
    pending.extend(right.pending);
    let mut settled = left.settled;
    settled.extend(right.settled);
    settled.retain(|reading, _| !pending.contains_key(reading));
    let columns = left.columns.into_iter().zip(right.columns).map(|(mut one, other)| {
        one.moment = match (one.moment.take(), one.constant, other.moment, other.constant) {
            (Some(moment), _, None, Some(Constant::Null)) | (None, Some(Constant::Null), Some(moment), _) => {
                Some(Moment { nullable: true, ..moment })
            }
            (Some(one), _, Some(other), _) => Some(Moment {
                events: one.events.intersection(&other.events).copied().collect(),
                formula: if one.formula == other.formula { one.formula } else { walker.unique() },
                nullable: one.nullable || other.nullable,
            }),
            _ => None,
        };
        one.lineage.add(&other.lineage);
        one.names_order &= other.names_order;
        one.clock = None;
        one.constant = one.constant.filter(|constant| other.constant == Some(*constant));
        one
    });
    Ok(Relation { columns: columns.collect(), key: None, rows, pending, settled })
}
