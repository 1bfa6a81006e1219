//! Progress bars, for people who watch; a pipe sees nothing of them.

use entrega_flow::{Meter, Progress};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output::is_watched;

/// One bar for each step that runs.
#[derive(Debug, Default)]
pub struct Bars {
    bars: MultiProgress,
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

/// Something that goes on without an end in sight, hidden when nobody watches.
pub fn spinner(step: &str) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message(step.to_owned());
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    spinner
}

impl Progress for Bars {
    fn begin(&self, step: &str, total: u64) -> Box<dyn Meter> {
        let bar = bar(total, step);
        // A hidden bar stays outside: the set of bars would draw it.
        let bar = if is_watched() { self.bars.add(bar) } else { bar };
        Box::new(Bar(bar))
    }
}

/// The bar of one step; it disappears with it.
struct Bar(ProgressBar);

impl Meter for Bar {
    fn advance(&self, units: u64) {
        self.0.inc(units);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
