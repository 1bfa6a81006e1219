//! Window functions: which of them look only into the past.
//!
//! ```text
//!  over (partition by seller_id order by at range between 2592000 preceding and 1 preceding)   past: less than `at`
//!  over (… range between … and current row)       rows of the same second, too: not past
//!  over (… rows between 30 preceding and …)       counts rows; of one second, any may come first: not past
//!  over (order by date)                           not past, and no harm where all that is read is always known
//! ```

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use sqlparser::ast::{
    Expr, Function, NamedWindowDefinition, NamedWindowExpr, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

use super::{
    Lineage, Relation,
    events::Log,
    expression::{Reader, literal, parts, plain},
    functions::{Kind, kind, reads},
    query::not_understood,
};
use crate::ModelError;

/// What the windows of one select read.
#[derive(Default)]
pub(crate) struct Reading<'a> {
    named: &'a [NamedWindowDefinition],
    /// Whether every row of the `from` is seen.
    whole: bool,
    log: RefCell<Option<Log<'a>>>,
}

/// A window that looks only into the past.
struct PastFrame {
    /// Seconds; none is without end.
    length: Option<i64>,
    at: usize,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(named: &'a [NamedWindowDefinition], whole: bool) -> Self {
        Self { named, whole, log: RefCell::default() }
    }

    fn window<'w>(&'w self, window: &'w WindowType) -> Result<&'w WindowSpec, ModelError> {
        let unknown = |name: &dyn ToString| not_understood("the window", &name.to_string(), "define it after window");
        match window {
            WindowType::WindowSpec(spec) if spec.window_name.is_none() => Ok(spec),
            WindowType::WindowSpec(spec) => Err(unknown(spec)),
            WindowType::NamedWindow(name) => {
                let found = self.named.iter().find(|window| window.0.value.eq_ignore_ascii_case(&name.value));
                match found.map(|window| &window.1) {
                    Some(NamedWindowExpr::WindowSpec(spec)) if spec.window_name.is_none() => Ok(spec),
                    _ => Err(unknown(name)),
                }
            }
        }
    }

    /// After the columns of a select: which of them are clocks, and that all events are still there.
    pub(crate) fn finish(&self, positions: &[Option<usize>], relation: &mut Relation) {
        let Some(log) = &*self.log.borrow() else { return };
        for (column, position) in relation.columns.iter_mut().zip(positions) {
            column.clock = position.and_then(|position| log.clock(position)).map(Rc::new);
        }
        let rows = relation.deciding_rows();
        relation.rows = Lineage::default();
        relation.pending = [(log.reading, rows)].into();
    }
}

impl Reader<'_, '_> {
    /// What a window function reads.
    pub(crate) fn window(&self, function: &Function, window: &WindowType) -> Result<Lineage, ModelError> {
        let spec = self.reading.window(window)?;
        let frame = self.past_frame(function, spec)?;
        let mut note = None;
        if self.walker.proves {
            match frame {
                Ok(frame) => return self.past(function, spec, &frame),
                Err(reason) => {
                    let why = format!("the window of `{function}` does not look only into the past: {reason}");
                    note = Some(why);
                }
            }
        }
        let mut lineage = self.together(&reads(function)?)?;
        let mut of_one_order = false;
        for key in &spec.partition_by {
            lineage.add(&self.lineage(key)?);
            if let Some(position) = self.position(key)? {
                of_one_order |= self.from.relation.columns[position].names_order;
            }
        }
        for order in &spec.order_by {
            lineage.add_decider(&self.lineage(&order.expr)?);
        }
        lineage.add_decider(&self.rows);
        lineage.forget_proofs();
        if lineage.of_orders() {
            lineage.across |= !of_one_order;
            lineage.notes.extend(note);
        }
        Ok(lineage)
    }

    /// The frame of a window that looks only into the past, or why it is none.
    fn past_frame(&self, function: &Function, spec: &WindowSpec) -> Result<Result<PastFrame, String>, ModelError> {
        let refuse = |reason: &str| Ok(Err(reason.to_owned()));
        if kind(function)? != Kind::Aggregate {
            return refuse("only sums, counts and other aggregates keep to a frame");
        }
        let Some(frame) = &spec.window_frame else { return refuse("it has no frame") };
        if frame.units != WindowFrameUnits::Range {
            return refuse(&format!("it counts {}, not time; write range", frame.units));
        }
        let ends_before = match &frame.end_bound {
            Some(WindowFrameBound::Preceding(Some(end))) => literal(end).is_some_and(|end| end >= 1),
            _ => false,
        };
        if !ends_before {
            let end = frame.end_bound.as_ref().unwrap_or(&WindowFrameBound::CurrentRow);
            return refuse(&format!("it ends at {end}; end it at 1 preceding, equal seconds are not the past"));
        }
        let length = match &frame.start_bound {
            WindowFrameBound::Preceding(None) => None,
            WindowFrameBound::Preceding(Some(start)) => match literal(start) {
                Some(start) => Some(start),
                None => return refuse("its length is no number"),
            },
            _ => return refuse("it does not begin with preceding"),
        };
        let [order] = spec.order_by.as_slice() else { return refuse("it must be ordered by one column") };
        let Some(at) = self.position(&order.expr)?.filter(|_| order.options.asc != Some(false)) else {
            return refuse("it must be ordered by one column, ascending");
        };
        if self.from.body.is_none() || !self.reading.whole {
            return refuse("it must stand alone over one step: no join, where or group by in the same select");
        }
        if self.reading.log.borrow().as_ref().is_some_and(|log| log.at != at) {
            return refuse("another window of the select is ordered by another column");
        }
        Ok(Ok(PastFrame { length, at }))
    }

    /// What a window into the past reads, and what is wrong with that.
    fn past(&self, function: &Function, spec: &WindowSpec, frame: &PastFrame) -> Result<Lineage, ModelError> {
        let Some(body) = &self.from.body else { return Ok(Lineage::default()) };
        if self.reading.log.borrow().is_none() {
            let log = self.walker.log(body, frame.at)?;
            *self.reading.log.borrow_mut() = Some(log);
        }
        let borrowed = self.reading.log.borrow();
        let Some(log) = &*borrowed else { return Ok(Lineage::default()) };
        let mut read: Vec<&Expr> = reads(function)?;
        read.extend(&spec.partition_by);
        let mut positions = BTreeSet::new();
        for expression in &read {
            self.positions_in(expression, &mut positions)?;
        }
        for position in positions {
            log.check(body, position, &self.walker.problems);
        }
        let none = Reading::default();
        let mut lineage = Reader::new(self.walker, &log.seen, &none).together(&read)?;
        lineage.past.append(&mut lineage.own);
        lineage.unproven.clear();
        lineage.across = false;
        lineage.windows = [frame.length].into();
        lineage.readings = [log.reading].into();
        Ok(lineage)
    }

    fn positions_in(&self, expression: &Expr, found: &mut BTreeSet<usize>) -> Result<(), ModelError> {
        match self.position(expression)? {
            Some(position) => {
                found.insert(position);
            }
            None => {
                for part in parts(plain(expression))? {
                    self.positions_in(part, found)?;
                }
            }
        }
        Ok(())
    }
}
