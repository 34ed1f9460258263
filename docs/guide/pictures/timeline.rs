//! Draws what was recorded: a lane for each manager or task, with a bar for each phase.

use crate::record::{End, Phase, Span};
use crate::svg::{Svg, WIDTH};

/// The height of a bar.
const BAR: i32 = 24;

/// The least width of a bar, which has room for a cross.
const LEAST: i32 = 18;

/// The time axis of a picture.
pub(crate) struct Timeline {
    left: i32,
    unit: i32,
}

impl Timeline {
    /// `left` is where the labels end, and `last` the time at the right edge.
    pub(crate) fn new(left: i32, last: u64) -> Self {
        Self { left, unit: (WIDTH - 16 - left) / i32::try_from(last).expect("a short time") }
    }

    pub(crate) fn x(&self, time: u64) -> i32 {
        self.left + self.unit * i32::try_from(time).expect("a short time")
    }

    /// Draws the name of a lane whose bars begin at `y`.
    pub(crate) fn label(svg: &mut Svg, y: i32, label: &str) {
        svg.text((16, y + 17), "", label);
    }

    /// Draws a phase. The part in the background is drawn at `background`, with a broken outline.
    pub(crate) fn span(&self, svg: &mut Svg, y: i32, background: i32, span: &Span) {
        let since = span.in_background.unwrap_or(span.end);
        let (class, name) = look(span.phase);
        let in_task = span.in_background.is_none_or(|since| since > span.begin);
        if in_task {
            self.bar(svg, y, (span.begin, since), class, name);
        }
        if span.in_background.is_some() {
            let name = if in_task { "" } else { name };
            self.bar(svg, background, (since, span.end), &format!("{class} apart"), name);
        }
        if span.how != End::Ready {
            let y = if span.in_background.is_some() { background } else { y };
            svg.cross((self.x(span.end).max(self.x(span.begin) + LEAST) - LEAST / 2, y + BAR / 2));
        }
    }

    fn bar(&self, svg: &mut Svg, y: i32, (begin, end): (u64, u64), class: &str, name: &str) {
        let (left, right) = (self.x(begin), self.x(end));
        // What has run in one instant is visible, too.
        let width = (right - left).max(LEAST);
        svg.rect((left, y), (width, BAR), class);
        if width >= 8 * i32::try_from(name.len()).expect("a short name") {
            svg.text((left + width / 2, y + 17), "small middle", name);
        }
    }

    /// Draws a line for something that lasts.
    pub(crate) fn lasts(&self, svg: &mut Svg, y: i32, (begin, end): (u64, u64)) {
        svg.line(&[(self.x(begin), y), (self.x(end), y)], "line");
    }

    /// Draws the line for what the caller awaits, below a bar: it ends where the caller continues.
    pub(crate) fn awaited(&self, svg: &mut Svg, y: i32, whole: &Span) {
        let (y, end) = (y + BAR + 4, self.x(whole.end));
        svg.line(&[(self.x(whole.begin), y), (end, y), (end, y - 3), (end, y + 3)], "line");
    }

    /// Draws a broken line at the time of an event.
    pub(crate) fn event(&self, svg: &mut Svg, time: u64, (top, bottom): (i32, i32)) {
        svg.line(&[(self.x(time), top), (self.x(time), bottom)], "event");
    }
}

fn look(phase: Phase) -> (&'static str, &'static str) {
    match phase {
        Phase::Enter => ("enter", "enter"),
        Phase::Block => ("block", "block"),
        Phase::Exit => ("exit", "exit"),
        Phase::Whole => ("group", "awaits"),
        Phase::Rest => ("rest", "continues"),
    }
}

/// Explains the signs, and returns the `y` below them.
pub(crate) fn legend(svg: &mut Svg, y: i32) -> i32 {
    svg.rect((16, y), (26, 16), "exit apart");
    svg.text((50, y + 13), "small", "in the background");
    svg.cross((190, y + 8));
    svg.text((204, y + 13), "small", "dropped");
    svg.line(&[(275, y + 8), (305, y + 8), (305, y + 5), (305, y + 11)], "line");
    svg.text((314, y + 13), "small", "the caller waits");
    svg.line(&[(29, y + 22), (29, y + 42)], "event");
    svg.text((50, y + 37), "small", "the time of the stop or the drop");
    y + 56
}
