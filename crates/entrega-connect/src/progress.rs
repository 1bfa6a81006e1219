//! How far a statement is.

use crate::protocol::execute_plan_response::ExecutionProgress;

/// How far a statement is, summed over the stages that Spark has planned until now; so `tasks` grows on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Tasks known until now.
    pub tasks: u64,
    /// Tasks that are done.
    pub completed: u64,
    /// Bytes read from tables and files.
    pub input_bytes: u64,
    /// Tasks that run at this moment.
    pub running: u64,
}

impl From<&ExecutionProgress> for Progress {
    fn from(report: &ExecutionProgress) -> Self {
        // A negative count would be a fault of the server, and no reason to end a run.
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let begun = Self { running: count(report.num_inflight_tasks), ..Self::default() };
        report.stages.iter().fold(begun, |sum, stage| Self {
            tasks: sum.tasks.saturating_add(count(stage.num_tasks)),
            completed: sum.completed.saturating_add(count(stage.num_completed_tasks)),
            input_bytes: sum.input_bytes.saturating_add(count(stage.input_bytes_read)),
            ..sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::execute_plan_response::execution_progress::StageInfo;

    #[test]
    fn stages_are_summed() {
        let stage = |tasks, completed, bytes| StageInfo {
            num_tasks: tasks,
            num_completed_tasks: completed,
            input_bytes_read: bytes,
            ..StageInfo::default()
        };
        let report = ExecutionProgress { stages: vec![stage(4, 4, 100), stage(8, 1, -1)], num_inflight_tasks: 2 };
        assert_eq!(Progress::from(&report), Progress { tasks: 12, completed: 5, input_bytes: 100, running: 2 });
    }
}
