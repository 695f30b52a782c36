//! Progress on a terminal; nothing where stderr is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};

/// How often a bar of seconds moves.
const STEP: Duration = Duration::from_millis(200);

/// A bar of connections.
pub(super) fn connecting(count: usize) -> ProgressBar {
    bar(u64::try_from(count).unwrap_or(u64::MAX), "connecting {bar:40} {pos}/{len}")
}

/// Lets seconds pass, with `say` beside the bar.
pub(super) async fn seconds(count: u32, say: impl Fn() -> String) {
    let whole = Duration::from_secs(u64::from(count));
    let bar = bar(u64::from(count), "measuring {bar:40} {pos}/{len} s, {msg}");
    let mut ticks = interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let show = async {
        loop {
            ticks.tick().await;
            bar.set_position(bar.elapsed().as_secs());
            bar.set_message(say());
        }
    };
    // The bar is shown for as long as the seconds last.
    let _ended = tokio::time::timeout(whole, show).await;
    bar.finish_and_clear();
}

fn bar(length: u64, template: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is ours");
    ProgressBar::new(length).with_style(style)
}
