//! What bringing a metastore in step did.

use std::fmt;

/// What was done with a database or a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It was not there.
    Created,
    /// It was there and looked different.
    Altered,
    /// It was the lake's, and is no more. Its files stay.
    Dropped,
    /// It was as it should be.
    Unchanged,
}

/// Something that stood otherwise in the metastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What: `comment`, `column price`, `property entrega.kind`, …
    pub what: String,
    /// As it stood; empty if it was not there.
    pub from: String,
    /// As it stands now; empty if it was taken away.
    pub to: String,
}

/// How many partitions were touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PartitionCounts {
    /// Registered.
    pub added: usize,
    /// Told another place, columns or statistics.
    pub altered: usize,
    /// No longer registered. Their files stay.
    pub dropped: usize,
}

/// What became of one database or table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `database.table`, or the database.
    pub name: String,
    /// What was done.
    pub action: Action,
    /// What stood otherwise; empty unless altered.
    pub differences: Vec<Difference>,
    /// What was done with its partitions.
    pub partitions: PartitionCounts,
}

impl Change {
    pub(crate) fn new(name: &str, action: Action) -> Self {
        let (differences, partitions) = (Vec::new(), PartitionCounts::default());
        Self { name: name.to_owned(), action, differences, partitions }
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.action == Action::Unchanged
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from.as_str(), self.to.as_str()) {
            ("", to) => write!(formatter, "{} is now {to}", self.what),
            (from, "") => write!(formatter, "{} was {from} and is gone", self.what),
            (from, to) => write!(formatter, "{} was {from} and is now {to}", self.what),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Created => "created",
            Action::Altered => "altered",
            Action::Dropped => "dropped, its files stay",
            Action::Unchanged => "unchanged",
        };
        write!(formatter, "{}: {action}", self.name)?;
        for difference in &self.differences {
            write!(formatter, "; {difference}")?;
        }
        let counts = [
            (self.partitions.added, "added"),
            (self.partitions.altered, "altered"),
            (self.partitions.dropped, "dropped"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(formatter, "; {count} partitions {what}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_what_differed() {
        let mut change = Change::new("clean.orders", Action::Altered);
        change.differences.push(Difference { what: "column price".into(), from: "double".into(), to: "int".into() });
        change.differences.push(Difference { what: "column note".into(), from: String::new(), to: "string".into() });
        change.partitions.dropped = 3;
        assert_eq!(
            change.to_string(),
            "clean.orders: altered; column price was double and is now int; column note is now string; 3 partitions dropped"
        );
    }
}
