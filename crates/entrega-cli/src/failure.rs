//! Failures as people read them: what happened, why, and what to do next.

use std::process::ExitCode;

use entrega_flow::FlowError;
use entrega_lake::LakeError;
use entrega_operators::OperatorError;

use crate::output::complain;

/// Prints an error, its causes and all hints, and gives the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    complain(&render(error));
    ExitCode::from(code(error))
}

/// The text of an error: `error:`, each `caused by:`, then each `hint:` once.
pub fn render(error: &anyhow::Error) -> String {
    let mut lines = Vec::new();
    let mut hints: Vec<String> = Vec::new();
    let mut said = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        let (message, hint) =
            text.split_once("\nhint: ").map_or((text.as_str(), None), |(message, hint)| (message, Some(hint)));
        hints.extend(hint.map(|hint| hint.replace("\nhint: ", "; ")));
        if said.contains(message) {
            continue;
        }
        said.push_str(message);
        lines.push(format!("{}{message}", if depth == 0 { "error: " } else { "  caused by: " }));
    }
    hints.dedup();
    lines.extend(hints.into_iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

fn code(error: &anyhow::Error) -> u8 {
    const BUSY: u8 = 3;
    const DATA: u8 = 4;
    for cause in error.chain() {
        let lake = match cause.downcast_ref::<FlowError>() {
            Some(FlowError::Lake(lake) | FlowError::Operator(OperatorError::Lake(lake))) => Some(lake),
            Some(
                FlowError::Operator(OperatorError::Delivery { .. } | OperatorError::Check { .. })
                | FlowError::Unreconciled { .. },
            ) => return DATA,
            _ => cause.downcast_ref::<LakeError>(),
        };
        if matches!(lake, Some(LakeError::Busy { .. })) {
            return BUSY;
        }
    }
    1
}
