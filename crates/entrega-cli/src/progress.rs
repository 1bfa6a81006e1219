//! Progress bars, for people who watch; a pipe sees nothing of them.

use std::sync::{Mutex, PoisonError};

use entrega_flow::Progress;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::is_watched;

/// One bar at a time: the step that runs.
#[derive(Debug, Default)]
pub struct Bars {
    current: Mutex<Option<ProgressBar>>,
}

/// A bar in the house style, hidden when nobody watches.
pub fn bar(total: u64, step: &str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg:48!} {bar:30} {human_pos}/{human_len} {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(step.to_owned())
}

impl Progress for Bars {
    fn begin(&self, step: &str, total: u64) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = current.take() {
            done.finish_and_clear();
        }
        *current = Some(bar(total, step));
    }

    fn advance(&self, units: u64) {
        if let Some(bar) = self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            bar.inc(units);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(done) = self.current.lock().unwrap_or_else(PoisonError::into_inner).take() {
            done.finish_and_clear();
        }
    }
}
