//! A time limit stops a block in two managers.

use std::future::pending;

use async_context_manager::{timeout, with};
use tokio::time::sleep;

use crate::life::{manager, show};
use crate::record::{Log, Phase, run, units};
use crate::svg::Svg;
use crate::timeline::Timeline;

async fn program(log: Log) -> bool {
    let limited = async {
        with!(timeout(units(7)) => {
            with!(manager(log.clone(), "outer()"), manager(log.clone(), "inner()") => {
                log.record("the block", Phase::Block, pending::<()>()).await;
            });
        })
    };
    let ended = log.record("the caller", Phase::Whole, limited).await;
    log.record("the caller", Phase::Rest, sleep(units(3))).await;
    ended.is_err()
}

pub(crate) fn draw() -> String {
    let (is_err, record) = run(program);
    assert!(is_err, "the `with!` of a time limit that is over is an `Err`");
    let mut svg = Svg::default();
    let last = record.spans.iter().map(|span| span.end).max().expect("something ran");
    let time = Timeline::new(108, last);
    let block = record.find("the block", Phase::Block).expect("the block has run");
    svg.text((16, 28), "bold", "with!(timeout(7) => with!(outer(), inner() => { … }))");
    svg.text((time.x(block.end), 54), "middle", "the time is over");
    let mut y = 66;
    for lane in ["the caller", "outer()", "inner()", "the block"] {
        Timeline::label(&mut svg, y, lane);
        if let (Some(enter), Some(exit)) = (record.find(lane, Phase::Enter), record.find(lane, Phase::Exit)) {
            time.lasts(&mut svg, y + 12, (enter.end, exit.begin));
        }
        record.spans.iter().filter(|span| span.lane == lane).for_each(|span| time.span(&mut svg, y, y, span));
        y += 34;
    }
    time.event(&mut svg, block.end, (59, y - 4));
    y += 16;
    let saw: Vec<_> = record.outcomes.iter().map(|&(lane, outcome)| format!("{lane} sees {}", show(outcome))).collect();
    let text =
        format!("{}. Each exit phase is awaited. Then the with! of the time limit is an Err.", saw.join(", then "));
    y = svg.paragraph((16, y), "", &text, 62);
    svg.finish("A time limit stops a block in two managers", &record.describe(), y)
}
