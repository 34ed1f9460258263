//! A manager whose block is stopped, or whose `with!` is dropped, at different moments.

use std::future::Future;
use std::pin::Pin;

use async_context_manager::{async_context_manager, graceful, rescue, timeout, with};
use tokio::time::sleep;

use crate::record::{End, Log, Phase, Record, Span, run, units};
use crate::svg::Svg;
use crate::timeline::{Timeline, legend};

#[async_context_manager]
async fn manager(log: Log) {
    log.record("manager", Phase::Enter, sleep(units(4))).await;
    r#yield!();
    log.record("manager", Phase::Exit, sleep(units(4))).await;
}

#[async_context_manager(shielded)]
async fn waits_in_cancellable(log: Log) {
    log.record("manager", Phase::Enter, rescue::cancellable(sleep(units(4)))).await;
    r#yield!();
    log.record("manager", Phase::Exit, sleep(units(4))).await;
}

/// What ends the block, and what the manager is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Stopped,
    Plain,
    Graceful,
    Shielded,
    Cancellable,
}

impl Case {
    const DROPPED: [Self; 3] = [Self::Plain, Self::Graceful, Self::Shielded];

    fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped by a scope",
            Self::Plain => "dropped, plain",
            Self::Graceful => "dropped, graceful",
            Self::Shielded => "dropped, shielded",
            Self::Cancellable => "…, in cancellable",
        }
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Returns a future that enters the manager, runs a block, and leaves the manager.
fn work(log: Log, case: Case) -> Work {
    let block = log.record("block", Phase::Block, async { sleep(units(4)).await });
    match case {
        Case::Stopped | Case::Plain => Box::pin(async move { with!(manager(log) => block.await) }),
        Case::Graceful => Box::pin(graceful(async move { with!(manager(log) => block.await) })),
        Case::Shielded => Box::pin(async move { with!(manager(log).shielded() => block.await) }),
        Case::Cancellable => Box::pin(async move { with!(waits_in_cancellable(log) => block.await) }),
    }
}

/// Records what happens if the work is stopped or dropped at this time. Afterwards the caller does something else.
fn end_at(time: u64, case: Case) -> Record {
    let program = async |log: Log| {
        let limit = units(time);
        let work = work(log.clone(), case);
        let limited: Work = match case {
            Case::Stopped => Box::pin(async move { drop(with!(timeout(limit) => work.await)) }),
            _ => Box::pin(async move { drop(tokio::time::timeout(limit, work).await) }),
        };
        log.record("caller", Phase::Whole, limited).await;
        log.record("caller", Phase::Rest, sleep(units(3))).await;
        rescue::drain().await;
    };
    run(program).1
}

/// Says what has become of the exit phase.
fn exit_phase(record: &Record) -> String {
    match record.find("manager", Phase::Exit) {
        None => "The exit phase does not run.".into(),
        Some(Span { how: End::Ready, in_background: None, .. }) => "The exit phase runs to its end in the task.".into(),
        Some(Span { how: End::Ready, .. }) => "The exit phase runs to its end in the background.".into(),
        Some(Span { polls: 1, .. }) => "The exit phase is polled once, and dropped at an .await that waits.".into(),
        Some(Span { polls, .. }) => format!("The exit phase is dropped after {polls} polls."),
    }
}

/// Draws the drop of a future in the block, for each kind of manager.
pub(crate) fn draw_in_block() -> String {
    let mut svg = Svg::default();
    let mut description = Vec::new();
    let time = Timeline::new(124, 11);
    let mut y = 20;
    for case in Case::DROPPED {
        let record = end_at(7, case);
        let whole = record.find("caller", Phase::Whole).expect("the caller has waited");
        svg.text((16, y + 14), "bold", heading(case));
        svg.text((time.x(whole.end), y + 14), "small middle", "drop");
        let lanes = [("the task", y + 24), ("the background", y + 54), ("the caller", y + 84)];
        for (lane, y) in lanes {
            Timeline::label(&mut svg, y, lane);
        }
        for span in &record.spans {
            let lane = if span.lane == "caller" { lanes[2] } else { lanes[0] };
            time.span(&mut svg, lane.1, lanes[1].1, span);
        }
        time.event(&mut svg, whole.end, (y + 19, y + 112));
        let text = exit_phase(&record);
        description.push(format!("{}: {}. {text}", heading(case), record.describe()));
        y = svg.paragraph((16, y + 130), "small", &text, 70) + 14;
    }
    svg.finish("A future is dropped while a block in it runs", &description.join(" "), y - 10)
}

fn heading(case: Case) -> &'static str {
    match case {
        Case::Plain => "A plain manager",
        Case::Graceful => "In graceful(…)",
        _ => "A shielded manager",
    }
}

/// Draws what a stop and a drop do while a manager is entered, in its block, and while it is left.
pub(crate) fn draw_moments() -> String {
    let mut svg = Svg::default();
    let mut description = Vec::new();
    let time = Timeline::new(158, 12);
    let mut y = legend(&mut svg, 16);
    for (moment, at) in [("While it is entered", 3), ("In the block", 7), ("While it is left", 11)] {
        svg.text((16, y + 14), "bold", moment);
        let top = y + 4;
        y += 24;
        let cases = [Case::Stopped, Case::Plain, Case::Graceful, Case::Shielded, Case::Cancellable];
        for case in cases.into_iter().filter(|&case| at == 3 || case != Case::Cancellable) {
            let record = end_at(at, case);
            Timeline::label(&mut svg, y, case.name());
            for span in record.spans.iter().filter(|span| span.lane != "caller") {
                time.span(&mut svg, y, y, span);
            }
            record.find("caller", Phase::Whole).into_iter().for_each(|whole| time.awaited(&mut svg, y, whole));
            description.push(format!("{moment}, {}: {}.", case.name(), record.describe()));
            y += 36;
        }
        time.event(&mut svg, at, (top, y - 2));
        y += 16;
    }
    svg.finish("What a stop and a drop do to a manager", &description.join(" "), y - 10)
}
