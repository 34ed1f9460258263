//! The states of a driver. `tests/tests/structure.rs` checks that the table which is drawn here agrees with the code.

use crate::svg::{Svg, WIDTH};

/// The left top corner and the size of a box.
#[derive(Clone, Copy)]
struct Area(i32, i32, i32, i32);

/// Where each state is drawn.
const PLACES: [(&str, Area); 9] = [
    ("Unpolled", Area(150, 16, 180, 32)),
    ("EnteringPlain", Area(64, 88, 130, 32)),
    ("Entering", Area(290, 88, 150, 32)),
    ("Running", Area(64, 182, 130, 32)),
    ("RunningDetached", Area(290, 182, 150, 32)),
    ("Cancelling", Area(310, 262, 130, 32)),
    ("BlockDone", Area(64, 372, 130, 32)),
    ("BlockDropped", Area(310, 372, 130, 32)),
    ("Done", Area(150, 450, 180, 32)),
];

/// The states in which the value is lent to the block.
const LENT: ([&str; 3], Area) = (["Running", "RunningDetached", "Cancelling"], Area(44, 152, 416, 174));

impl Area {
    fn center(self) -> (i32, i32) {
        (self.0 + self.2 / 2, self.1 + self.3 / 2)
    }

    /// Returns the point of the border on the way from the centre to a point above or below.
    fn border(self, to: (i32, i32)) -> (i32, i32) {
        let (x, y) = self.center();
        let down = if to.1 > y { self.3 / 2 } else { -self.3 / 2 };
        (x + (to.0 - x) * down / (to.1 - y), y + down)
    }
}

/// A row of the table.
struct Row {
    from: Vec<String>,
    to: String,
    when: String,
}

/// Reads the table of the section "States".
fn rows(architecture: &str) -> Vec<Row> {
    let (_, section) = architecture.split_once("\n## States\n").expect("a section on states");
    let lines = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let names = |cell: &str| cell.split(", ").map(|name| name.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
        let [from, to, _, when] = cells[..] else { panic!("not four cells: {line}") };
        Row { from: names(from), to: names(to).swap_remove(0), when: when.trim().replace('`', "") }
    };
    lines.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn place(state: &str) -> Area {
    PLACES.iter().find(|place| place.0 == state).unwrap_or_else(|| panic!("PLACES does not have {state}")).1
}

/// Returns the points of an arrow, and where its number stands.
fn arrow(from: &str, to: &str) -> ([(i32, i32); 4], (i32, i32)) {
    let (begin, end) = (place(from), place(to));
    // Around what is between them.
    let (top, bottom) = (begin.center().1, end.center().1);
    if (from, to) == ("EnteringPlain", "Done") {
        let x = 24;
        return ([(begin.0, top), (x, top), (x, bottom), (end.0, bottom)], (x, 230));
    }
    if (from, to) == ("Entering", "Done") {
        let x = WIDTH - 12;
        return ([(begin.0 + begin.2, top), (x, top), (x, bottom), (end.0 + end.2, bottom)], (x, 230));
    }
    if top == bottom {
        let (left, right) = (begin.0 + begin.2, end.0);
        let middle = (i32::midpoint(left, right), top);
        return ([(left, top), middle, middle, (right, top)], middle);
    }
    let (begin, end) = (begin.border(end.center()), end.border(begin.center()));
    let middle = (i32::midpoint(begin.0, end.0), i32::midpoint(begin.1, end.1));
    ([begin, middle, middle, end], middle)
}

pub(crate) fn draw() -> String {
    let mut svg = Svg::default();
    let Area(x, y, width, height) = LENT.1;
    svg.rect((x, y), (width, height), "group");
    svg.text((x + width - 10, y + height - 10), "small end", "the value is lent");
    let rows = rows(include_str!("../../../ARCHITECTURE.md"));
    for (row, number) in rows.iter().zip(1..) {
        if row.from == LENT.0 {
            let end = place(&row.to);
            let end = (end.center().0, end.1);
            let begin = (end.0, y + height);
            svg.arrow(&[begin, end]);
            label(&mut svg, (end.0, i32::midpoint(begin.1, end.1) - 2), number);
            continue;
        }
        for from in &row.from {
            let (points, at) = arrow(from, &row.to);
            svg.arrow(&points);
            label(&mut svg, at, number);
        }
    }
    for (state, Area(x, y, width, height)) in PLACES {
        let class = match state {
            "EnteringPlain" | "Entering" => "enter",
            state if LENT.0.contains(&state) => "block",
            "BlockDone" | "BlockDropped" => "exit",
            _ => "rest",
        };
        svg.rect((x, y), (width, height), class);
        svg.text((x + width / 2, y + 21), "middle", state);
    }
    let mut y = 514;
    let mut description = Vec::new();
    for (row, number) in rows.iter().zip(1..) {
        svg.text((36, y), "small end", &format!("{number}"));
        y = svg.paragraph((46, y), "small", &row.when, 64) + 4;
        description.push(format!("{number}. From {} to {}: {}.", row.from.join(" or "), row.to, row.when));
    }
    svg.finish("The states of a driver", &description.join(" "), y)
}

fn label(svg: &mut Svg, (x, y): (i32, i32), number: i32) {
    assert!(x < WIDTH);
    svg.rect((x - 10, y - 9), (20, 18), "panel");
    svg.text((x, y + 5), "small middle", &number.to_string());
}
