//! The charts.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::growth::Series;
use crate::row::Row;
use crate::scenario::Scenario;

/// A bar for each scenario of each contestant: its instructions, as multiples of those of `baseline`.
pub(crate) fn instructions(path: &Path, rows: &[Row], baseline: &Row) -> Result<(), Box<dyn Error>> {
    let rows: Vec<_> = rows.iter().filter(|row| row.instructions.iter().any(Option::is_some)).collect();
    let name = |at: &f64| {
        let row = (0..rows.len()).find(|&row| (float(row) - at).abs() < 0.01);
        row.map_or(String::new(), |row| rows[row].name.replace('`', ""))
    };
    let root = SVGBackend::new(path, (1200, 600)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Instructions, as multiples of those by hand with catch_unwind", FONT)
        .margin(10)
        .x_label_area_size(160)
        .y_label_area_size(50)
        .build_cartesian_2d(-0.5..float(rows.len()) - 0.5, (0.5..50.0).log_scale())?;
    let turned = FONT.into_font().transform(FontTransform::Rotate90);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(rows.len() + 1)
        .x_label_style(turned)
        .x_label_formatter(&name)
        .draw()?;
    for (scenario, which) in Scenario::ALL.iter().enumerate() {
        let color = COLORS[scenario % COLORS.len()].filled();
        let bars = rows.iter().enumerate().filter_map(|(row, it)| {
            let ratio = it.instructions[scenario]? / baseline.instructions[scenario]?;
            let left = float(row) - 0.4 + 0.11 * float(scenario);
            Some(Rectangle::new([(left, 1.0), (left + 0.11, ratio)], color))
        });
        let legend = move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], color);
        chart.draw_series(bars)?.label(which.name()).legend(legend);
    }
    chart.configure_series_labels().background_style(WHITE).border_style(BLACK).label_font(FONT).draw()?;
    root.present()?;
    follow_scheme(path, "Instructions of each contestant in each scenario")
}

/// Lines, a panel for each thing that there are more and more of.
pub(crate) fn growth(path: &Path, series: &[Series]) -> Result<(), Box<dyn Error>> {
    const IN_A_ROW: usize = 2;
    let mut panels: Vec<&str> = series.iter().map(|it| it.more_of).collect();
    panels.dedup();
    let rows = panels.len().div_ceil(IN_A_ROW);
    let root = SVGBackend::new(path, (1200, 400 * u32::try_from(rows)?)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, &more_of) in root.split_evenly((rows, IN_A_ROW)).iter().zip(&panels) {
        let series: Vec<_> = series.iter().filter(|it| it.more_of == more_of).collect();
        panel(area, more_of, &series)?;
    }
    root.present()?;
    follow_scheme(path, "The cost of one more, by how many there are")
}

/// Gives a chart a title, and other colours for readers who prefer a dark scheme.
fn follow_scheme(path: &Path, title: &str) -> Result<(), Box<dyn Error>> {
    let chart = fs::read_to_string(path)?;
    let (head, rest) = chart.split_once('\n').ok_or("an empty chart")?;
    fs::write(path, format!("{head}\n<title>{title}</title>\n{DARK}\n{rest}"))?;
    Ok(())
}

/// The colours of the panel, the text and the lines for a dark scheme.
const DARK: &str = r##"<style>@media (prefers-color-scheme:dark){
[fill="#FFFFFF"]{fill:#141a2e}
[fill="#000000"]{fill:#e6e9f2}
[stroke="#000000"]{stroke:#e6e9f2}
}</style>"##;

/// Colours with a contrast of at least 3 on white and on the dark panel.
const COLORS: [RGBColor; 7] = [
    RGBColor(214, 69, 91),
    RGBColor(46, 139, 87),
    RGBColor(166, 124, 0),
    RGBColor(59, 127, 196),
    RGBColor(200, 100, 30),
    RGBColor(162, 89, 196),
    RGBColor(31, 138, 148),
];

fn panel<B>(area: &DrawingArea<B, Shift>, more_of: &str, series: &[&Series]) -> Result<(), Box<dyn Error>>
where
    B: DrawingBackend,
    B::ErrorType: 'static,
{
    let points = || series.iter().flat_map(|it| &it.points);
    let last = points().map(|&(number, _)| number).max().unwrap_or(1);
    let most = points().map(|&(_, cost)| cost).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(format!("Each of 1 to {last} {more_of}"), FONT)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((1..last + last / 2).log_scale(), 0.0..most * 2.0)?;
    chart.configure_mesh().x_desc(more_of).label_style(FONT).draw()?;
    for (index, it) in series.iter().enumerate() {
        let color = COLORS[index % COLORS.len()].stroke_width(2);
        let line = LineSeries::new(it.points.iter().copied(), color).point_size(3);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 12, y)], color);
        chart.draw_series(line)?.label(format!("{}, {}", it.name.replace('`', ""), it.unit)).legend(legend);
    }
    // There is nothing above the lines on the right.
    let labels = SeriesLabelPosition::UpperRight;
    chart
        .configure_series_labels()
        .position(labels)
        .background_style(WHITE)
        .border_style(BLACK)
        .label_font(FONT)
        .draw()?;
    Ok(())
}

const FONT: (&str, u32) = ("sans-serif", 16);

fn float(number: usize) -> f64 {
    u32::try_from(number).expect("small").into()
}
