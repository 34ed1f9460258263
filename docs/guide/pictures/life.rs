//! The life of a `with!` of two managers, and each way out of its block.

use std::panic::{AssertUnwindSafe, resume_unwind};

use async_context_manager::{Outcome, async_context_manager, with};
use futures::FutureExt;
use tokio::time::sleep;

use crate::record::{Log, Phase, Record, run, units};
use crate::svg::Svg;
use crate::timeline::Timeline;

#[async_context_manager]
pub(crate) async fn manager(log: Log, lane: &'static str) {
    log.record(lane, Phase::Enter, sleep(units(2))).await;
    let outcome = r#yield!();
    log.saw(lane, outcome);
    log.record(lane, Phase::Exit, sleep(units(2))).await;
}

/// A way out of a block.
#[derive(Clone, Copy)]
enum WayOut {
    Value,
    Error,
    Return,
    Panic,
}

impl WayOut {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Value, "a value"), (Self::Error, "Err(e)?"), (Self::Return, "return"), (Self::Panic, "a panic")];
}

async fn function(log: Log, way: WayOut) -> Result<&'static str, &'static str> {
    let value = with!(manager(log.clone(), "a()"), manager(log.clone(), "b()") => {
        log.record("the block", Phase::Block, sleep(units(4))).await;
        match way {
            WayOut::Value => "continues",
            WayOut::Error => Err("returns the Err")?,
            WayOut::Return => return Ok("returns"),
            WayOut::Panic => resume_unwind(Box::new("panics")),
        }
    });
    log.record("the function", Phase::Rest, sleep(units(1))).await;
    Ok(value)
}

/// Returns what the function did after the `with!`, and what was recorded in it.
fn leave(way: WayOut) -> (&'static str, Record) {
    let (ended, mut record) = run(|log| AssertUnwindSafe(function(log, way)).catch_unwind());
    record.spans.retain(|span| span.phase != Phase::Rest);
    let then = match ended {
        Ok(Ok(then) | Err(then)) => then,
        Err(payload) => payload.downcast_ref::<&str>().expect("the payload of the block"),
    };
    (then, record)
}

pub(crate) fn draw() -> String {
    let mut svg = Svg::default();
    svg.text((16, 28), "bold", "with!(a(), b() => { … })");
    let (_, record) = leave(WayOut::Value);
    let last = record.spans.iter().map(|span| span.end).max().expect("something ran");
    let time = Timeline::new(96, last);
    let mut y = 44;
    for lane in ["a()", "b()", "the block"] {
        Timeline::label(&mut svg, y, lane);
        if let (Some(enter), Some(exit)) = (record.find(lane, Phase::Enter), record.find(lane, Phase::Exit)) {
            time.lasts(&mut svg, y + 12, (enter.end, exit.begin));
        }
        record.spans.iter().filter(|span| span.lane == lane).for_each(|span| time.span(&mut svg, y, y, span));
        y += 34;
    }
    y += 22;
    svg.text((16, y), "bold", "The same for each way out of the block:");
    y = ways(&mut svg, y + 26, &record);
    svg.finish("The life of a with! of two managers", &record.describe(), y)
}

/// Draws a table of the ways out. Returns the `y` below it.
fn ways(svg: &mut Svg, mut y: i32, usual: &Record) -> i32 {
    let columns = [16, 140, 288];
    let heads = ["the block ends by", "a() and b() see", "then the function"];
    columns.iter().zip(heads).for_each(|(&x, head)| svg.text((x, y), "small", head));
    svg.line(&[(16, y + 8), (464, y + 8)], "event");
    for (way, name) in WayOut::ALL {
        y += 28;
        let (then, record) = leave(way);
        let same =
            |it: &Record| it.spans.iter().map(|span| (span.lane, span.phase, span.begin, span.end)).collect::<Vec<_>>();
        assert_eq!(same(&record), same(usual), "the phases are the same for each way out");
        let [("b()", outcome), ("a()", other)] = record.outcomes[..] else { panic!("b() leaves first, then a()") };
        assert_eq!(outcome, other);
        let cells = [name, show(outcome), then];
        columns.iter().zip(cells).for_each(|(&x, cell)| svg.text((x, y), "", cell));
    }
    y + 20
}

pub(crate) fn show(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "Completed",
        Outcome::Failed(()) => "Failed",
        Outcome::Panicked => "Panicked",
        Outcome::Cancelled => "Cancelled",
    }
}
