//! Writes SVG: a panel with a background of its own, in the colours of the light or dark scheme of the reader.

use std::fmt::Write;

/// The width of each picture. A telephone shows it a third smaller, so no text in it is smaller than 14 pixels.
pub(crate) const WIDTH: i32 = 480;

/// The colours work on the panel only, because a page may be dark when the reader's scheme is light.
const STYLE: &str = "\
text{font:15px sans-serif;fill:#1f2328}
.small{font-size:14px}
.bold{font-weight:bold}
.middle{text-anchor:middle}
.end{text-anchor:end}
.panel{fill:#ffffff;stroke:#c4cbd3}
.enter{fill:#a9cdf7}
.block{fill:#b4e2b8}
.exit{fill:#fbcf85}
.rest{fill:#d8dce2}
.group{fill:#eef1f5;stroke:#c4cbd3}
.line{fill:none;stroke:#66707c;stroke-width:1.5}
.head{fill:#66707c}
.event{fill:none;stroke:#66707c;stroke-dasharray:4 3}
.cut{fill:none;stroke:#cf222e;stroke-width:2.5}
.apart{stroke:#1f2328;stroke-width:1.5;stroke-dasharray:4 3}
@media (prefers-color-scheme:dark){
text{fill:#e6e9f2}
.panel{fill:#141a2e;stroke:#3b4566}
.enter{fill:#1f5c9c}
.block{fill:#2a6b3a}
.exit{fill:#8a5a12}
.rest{fill:#454e66}
.group{fill:#1e2640;stroke:#3b4566}
.line,.event{stroke:#a3adc2}
.head{fill:#a3adc2}
.cut{stroke:#ffb8b2}
.apart{stroke:#e6e9f2}
}
";

/// A picture that grows downwards.
#[derive(Default)]
pub(crate) struct Svg {
    body: String,
}

impl Svg {
    pub(crate) fn text(&mut self, (x, y): (i32, i32), class: &str, text: &str) {
        let text = escape(text);
        self.add(format_args!("<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{text}</text>"));
    }

    /// Adds lines of text, and returns the `y` below them.
    pub(crate) fn paragraph(&mut self, (x, y): (i32, i32), class: &str, text: &str, columns: usize) -> i32 {
        let lines = wrap(text, columns);
        let bottoms = (y..).step_by(18);
        let below = bottoms.clone().nth(lines.len()).unwrap_or(y);
        lines.iter().zip(bottoms).for_each(|(line, y)| self.text((x, y), class, line));
        below
    }

    pub(crate) fn rect(&mut self, (x, y): (i32, i32), (width, height): (i32, i32), class: &str) {
        self.add(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" class=\"{class}\"/>"
        ));
    }

    pub(crate) fn line(&mut self, points: &[(i32, i32)], class: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        self.add(format_args!("<polyline points=\"{}\" class=\"{class}\"/>", points.join(" ")));
    }

    /// Adds a line with an arrowhead at its end.
    pub(crate) fn arrow(&mut self, points: &[(i32, i32)]) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let points = points.join(" ");
        self.add(format_args!("<polyline points=\"{points}\" class=\"line\" marker-end=\"url(#head)\"/>"));
    }

    pub(crate) fn cross(&mut self, (x, y): (i32, i32)) {
        let r = 6;
        self.line(&[(x - r, y - r), (x + r, y + r)], "cut");
        self.line(&[(x - r, y + r), (x + r, y - r)], "cut");
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("a string");
    }

    /// Returns the file. `title` and `description` say what the picture shows, for those who do not see it.
    pub(crate) fn finish(self, title: &str, description: &str, height: i32) -> String {
        let (title, description, body) = (escape(title), escape(description), self.body);
        let (width, height, inner) = (WIDTH, height, (WIDTH - 1, height - 1));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-labelledby=\"title description\">
<title id=\"title\">{title}</title>
<desc id=\"description\">{description}</desc>
<style>
{STYLE}</style>
<marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
<path d=\"M0,0 10,5 0,10z\" class=\"head\"/></marker>
<rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" class=\"panel\"/>
{body}</svg>
",
            inner.0, inner.1
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Breaks a text into lines.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + word.chars().count() < columns {
            *last += " ";
            *last += word;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
