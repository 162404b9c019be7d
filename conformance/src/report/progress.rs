//! The progress bar, on a terminal.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::human;
use super::model::Counts;
use crate::runner::RunEvent;

/// Shows the run as it goes: findings at once, and a bar below them if stderr is a terminal.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    verbose: bool,
    counts: Counts,
}

impl Progress {
    /// Nothing has happened yet. With `verbose`, what passes is shown too.
    pub fn start(verbose: bool) -> Progress {
        let bar = ProgressBar::hidden();
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")
            .expect("a constant template");
        bar.set_style(style);
        if std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Progress {
            bar,
            verbose,
            counts: Counts::default(),
        }
    }

    /// Shows an event.
    pub fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Started(total) => self.bar.set_length(*total as u64),
            RunEvent::Finished(result) => {
                let one = Counts::of([&**result]);
                self.counts.pass += one.pass;
                self.counts.fail += one.fail + one.error;
                self.counts.warn += one.warn;
                self.bar.inc(1);
                self.bar.set_message(format!(
                    "{} passed, {} failed",
                    self.counts.pass, self.counts.fail
                ));
                let mut text = Vec::new();
                // Writing to memory can't fail.
                let _ = match result.verdict {
                    verdict if verdict.is_finding() => human::finding(result, &mut text),
                    _ if self.verbose => human::line(result, &mut text),
                    _ => Ok(()),
                };
                if !text.is_empty() {
                    // stderr gone means that nobody is reading.
                    self.bar.suspend(|| {
                        let _ = anstream::stderr().write_all(&text);
                    });
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
