//! Where lineage begins: the columns of landing, and a model's result as the next model finds it.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Column, Import, Lineage, Moment, Relation, Source};
use crate::{
    contract::Contract,
    known::Known,
    model::Model,
    tables::{Layer, TableName},
};

/// Tables that the engine itself makes: their columns, and when those are known.
const MADE: [(Layer, &str, &[&str], Known); 2] = [
    (Layer::Landing, "calendar", &["date", "holiday", "peak_season"], Known::Always),
    (Layer::Ops, "as_of", &["as_of"], Known::Never),
];

/// The tables that models begin with.
pub(crate) fn landing(contracts: &[Contract]) -> BTreeMap<TableName, Relation> {
    let made = MADE.iter().map(|(layer, name, columns, known)| {
        let columns = columns.iter().map(|column| landing_column(name, column, *known)).collect();
        (TableName::new(*layer, name), Relation { columns, ..Relation::default() })
    });
    contracts.iter().map(|contract| from_contract(contract, contracts)).chain(made).collect()
}

/// The rows of a source: its columns, the drop (which says when a row came, so it is never known), and for children the
/// month of their order.
fn from_contract(contract: &Contract, contracts: &[Contract]) -> (TableName, Relation) {
    let source = contract.source.as_str();
    let refers = |column: &str| {
        contract.parent.as_ref().is_some_and(|parent| parent.column == column)
            || source == "orders"
                && (contract.key == [column]
                    || contracts.iter().filter_map(|child| child.parent.as_ref()).any(|to| to.order_column == column))
    };
    let mut columns: Vec<Column> = Vec::new();
    for declared in &contract.columns {
        let mut column = landing_column(source, &declared.name, declared.known());
        column.names_order = refers(&declared.name);
        if declared.moment {
            let name = format!("{source}.{}", declared.name);
            column.moment = Some(Moment::of_event(name, declared.known(), declared.required));
        }
        columns.push(column);
    }
    if contract.parent.is_some() {
        columns.push(landing_column(source, "purchase_month", Known::Purchase));
    }
    columns.push(landing_column(source, "_drop", Known::Never));
    let key = contract.key.iter().map(|key| columns.iter().position(|column| column.name == *key)).collect();
    (TableName { layer: Layer::Landing, name: source.to_owned() }, Relation { columns, key, ..Relation::default() })
}

fn landing_column(table: &str, name: &str, known: Known) -> Column {
    let source = Rc::new(Source { name: format!("{table}.{name}"), known });
    let own = BTreeSet::from([source]);
    Column::new(name.to_owned(), Lineage { unproven: own.clone(), own, ..Lineage::default() })
}

/// A model's result as a table: what was proven inside the model stays proven, how it was proven is its own affair. A
/// model without a decision proves nothing, not even with columns that another one has proven.
pub(crate) fn stored(result: &Relation, model: &Model) -> Relation {
    let forget = |lineage: &Lineage| {
        let mut kept = Lineage {
            own: lineage.own.clone(),
            unproven: lineage.unproven.clone(),
            past: lineage.past.clone(),
            across: lineage.across,
            ..Lineage::default()
        };
        if model.decision.is_none() && !kept.past.is_empty() {
            kept.forget_proofs();
        }
        kept
    };
    let columns =
        result.columns.iter().map(|column| Column { lineage: forget(&column.lineage), clock: None, ..column.clone() });
    let position = |name: &String| result.columns.iter().position(|column| column.name == *name);
    Relation {
        columns: columns.collect(),
        key: model.grain.iter().map(position).collect(),
        rows: forget(&result.deciding_rows()),
        ..Relation::default()
    }
}

/// A table as a query finds it: every column is an import.
pub(crate) fn imported(table: &TableName, stored: &Relation) -> Relation {
    let mut relation = stored.clone();
    for column in &mut relation.columns {
        column.lineage.values = [Rc::new(Import { table: table.clone(), column: column.name.clone() })].into();
    }
    relation
}
