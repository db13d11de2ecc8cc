//! Charts as SVG: panels side by side, each with one row a variant, the best one on top.

use std::fmt::Write;

use crate::stats::Summary;

/// One number of a row, and how it is written.
pub struct Point {
    pub summary: Summary,
    pub text: String,
}

pub struct Row {
    pub label: String,
    /// One to be drawn as a bar, or several as dots on one line.
    pub points: Vec<Point>,
    pub tone: Tone,
}

/// What a row should catch the eye by.
#[derive(Clone, Copy)]
pub enum Tone {
    Ours,
    Kin,
    /// What the others are in proportion to.
    Measure,
    Others,
}

pub struct Panel {
    pub title: String,
    /// Says how to read it, such as the names of the dots.
    pub note: String,
    pub rows: Vec<Row>,
    /// How a value on the axis of dots is written.
    pub axis: fn(f64) -> String,
}

const LABEL: f64 = 175.0;
const PLOT: f64 = 190.0;
/// A number with its ratio to the limit.
const VALUE: f64 = 125.0;
const ROW: f64 = 22.0;
const HEAD: f64 = 44.0;
const FOOT: f64 = 26.0;
const GAP: f64 = 24.0;
/// The longest title.
const TITLE: f64 = 640.0;
const COLUMNS: usize = 2;

/// Colours that can be told apart on white and, where the reader prefers it, on black.
const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}\
.title{font-size:17px;font-weight:600}.panel{font-weight:600}\
.note{font-size:11px;fill:#656d76}.ours,.kin{font-weight:600}\
.measure{font-style:italic}\
.bar{fill:#a8b1bb}.ours.bar{fill:#0969da}.kin.bar{fill:#80b4f0}.measure.bar{fill:#d8dee4}\
.dot{fill:#7d8590}.ours.dot{fill:#0969da}.kin.dot{fill:#6ba4e8}\
.line{stroke:#c4cad1;stroke-width:2}.ours.line,.kin.line{stroke:#8cbdf0}\
.spread{stroke:#1f2328;stroke-width:1}.grid{stroke:#d8dee4;stroke-width:1}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#8d96a0}\
.bar{fill:#59636e}.ours.bar{fill:#4493f8}.kin.bar{fill:#2a5a9c}.measure.bar{fill:#30363d}\
.dot{fill:#8d96a0}.ours.dot{fill:#4493f8}.kin.dot{fill:#3670b8}\
.line{stroke:#3d444d}.ours.line,.kin.line{stroke:#1f4f8f}.spread{stroke:#e6edf3}.grid{stroke:#30363d}}";

pub fn draw(title: &str, panels: &[Panel]) -> String {
    let columns = COLUMNS.min(panels.len()).max(1);
    let panels_width = columns as f64 * (LABEL + PLOT + VALUE) + (columns + 1) as f64 * GAP;
    let width = panels_width.max(TITLE);
    let mut body = format!("<text class=\"title\" x=\"{GAP}\" y=\"32\">{}</text>\n", escape(title));
    let mut top = 48.0;
    for line in panels.chunks(columns) {
        for (column, panel) in line.iter().enumerate() {
            let left = GAP + column as f64 * (LABEL + PLOT + VALUE + GAP);
            draw_panel(&mut body, panel, left, top);
        }
        let rows = line.iter().map(|panel| panel.rows.len()).max().unwrap_or(0);
        top += HEAD + rows as f64 * ROW + FOOT;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {top}\" width=\"{width}\" \
         role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n{body}</svg>\n",
        escape(title)
    )
}

fn draw_panel(svg: &mut String, panel: &Panel, left: f64, top: f64) {
    let (title, note) = (escape(&panel.title), escape(&panel.note));
    put(svg, format!("<text class=\"panel\" x=\"{left}\" y=\"{}\">{title}</text>", top + 16.0));
    put(svg, format!("<text class=\"note\" x=\"{left}\" y=\"{}\">{note}</text>", top + 32.0));
    let dots = panel.rows.iter().any(|row| row.points.len() > 1);
    let scale = if dots { Scale::decades(&panel.rows) } else { Scale::from_zero(&panel.rows) };
    let bottom = top + HEAD + panel.rows.len() as f64 * ROW;
    for tick in scale.ticks() {
        let x = left + LABEL + scale.place(tick);
        put(
            svg,
            format!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{bottom}\"/>\
             <text class=\"note\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{}</text>",
                top + HEAD - 4.0,
                bottom + 14.0,
                escape(&(panel.axis)(tick)),
            ),
        );
    }
    for (index, row) in panel.rows.iter().enumerate() {
        let middle = top + HEAD + (index as f64 + 0.5) * ROW;
        let tone = match row.tone {
            Tone::Ours => "ours ",
            Tone::Kin => "kin ",
            Tone::Measure => "measure ",
            Tone::Others => "",
        };
        let label = escape(&row.label);
        put(svg, format!("<text class=\"{tone}\" x=\"{left}\" y=\"{}\">{label}</text>", middle + 4.0));
        let end = match &row.points[..] {
            [] => 0.0,
            [only] => draw_bar(svg, only, &scale, tone, left + LABEL, middle),
            several => draw_dots(svg, several, &scale, tone, left + LABEL, middle),
        };
        let text = row.points.last().map_or("no answer", |point| &point.text);
        let (x, y) = (left + LABEL + end + 8.0, middle + 4.0);
        put(svg, format!("<text class=\"{tone}\" x=\"{x:.1}\" y=\"{y}\">{}</text>", escape(text)));
    }
}

fn draw_bar(svg: &mut String, point: &Point, scale: &Scale, tone: &str, left: f64, y: f64) -> f64 {
    let Summary { median, min, max, .. } = point.summary;
    let (width, from, to) = (scale.place(median), scale.place(min), scale.place(max));
    put(
        svg,
        format!(
            "<rect class=\"{tone}bar\" x=\"{left}\" y=\"{}\" width=\"{:.1}\" height=\"14\" rx=\"2\"/>\
         <line class=\"spread\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\"/>",
            y - 7.0,
            width.max(1.0),
            left + from,
            left + to,
        ),
    );
    width.max(to)
}

fn draw_dots(svg: &mut String, points: &[Point], scale: &Scale, tone: &str, left: f64, y: f64) -> f64 {
    let places: Vec<f64> = points.iter().map(|point| scale.place(point.summary.median)).collect();
    let first = places.iter().copied().fold(f64::INFINITY, f64::min);
    let last = places.iter().copied().fold(0.0, f64::max);
    put(
        svg,
        format!(
            "<line class=\"{tone}line\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\"/>",
            left + first,
            left + last,
        ),
    );
    for (index, place) in places.iter().enumerate() {
        let radius = 3.0 + 1.25 * index as f64;
        let x = left + place;
        put(svg, format!("<circle class=\"{tone}dot\" cx=\"{x:.1}\" cy=\"{y}\" r=\"{radius}\"/>"));
    }
    last
}

fn put(svg: &mut String, element: String) {
    let _ = writeln!(svg, "{element}");
}

/// From values to places on the plot.
enum Scale {
    FromZero {
        max: f64,
    },
    /// Powers of ten, from and to these exponents.
    Decades {
        from: f64,
        to: f64,
    },
}

impl Scale {
    fn from_zero(rows: &[Row]) -> Scale {
        Scale::FromZero { max: values(rows).fold(f64::MIN_POSITIVE, f64::max) }
    }

    fn decades(rows: &[Row]) -> Scale {
        let logs = || values(rows).filter(|value| *value > 0.0).map(f64::log10);
        let from = logs().fold(f64::INFINITY, f64::min).floor();
        let to = logs().fold(f64::NEG_INFINITY, f64::max).ceil();
        match from.is_finite() {
            true => Scale::Decades { from, to: to.max(from + 1.0) },
            false => Scale::Decades { from: 0.0, to: 1.0 },
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = match *self {
            Scale::FromZero { max } => value / max,
            Scale::Decades { from, to } => (value.max(1e-12).log10() - from) / (to - from),
        };
        PLOT * share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match *self {
            Scale::FromZero { .. } => Vec::new(),
            Scale::Decades { from, to } => {
                // Every other one where they would run into each other.
                let step = if to - from > 4.0 { 2 } else { 1 };
                (from as i32..=to as i32).step_by(step).map(|exponent| 10f64.powi(exponent)).collect()
            }
        }
    }
}

fn values(rows: &[Row]) -> impl Iterator<Item = f64> {
    let points = rows.iter().flat_map(|row| &row.points);
    points.flat_map(|point| [point.summary.median, point.summary.max])
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(points: &[f64]) -> Row {
        let point = |&median: &f64| Point {
            summary: Summary { median, min: median, max: median, rounds: 1 },
            text: median.to_string(),
        };
        Row { label: "a<b".into(), points: points.iter().map(point).collect(), tone: Tone::Others }
    }

    #[test]
    fn bars_start_at_zero() {
        let scale = Scale::from_zero(&[row(&[1.0]), row(&[4.0])]);
        assert_eq!((scale.place(0.0), scale.place(1.0), scale.place(4.0)), (0.0, PLOT / 4.0, PLOT));
    }

    #[test]
    fn dots_lie_on_decades() {
        let scale = Scale::decades(&[row(&[0.002, 0.5])]);
        assert_eq!(scale.ticks().len(), 4);
        assert_eq!((scale.place(0.001), scale.place(1.0)), (0.0, PLOT));
    }

    #[test]
    fn text_cannot_break_the_picture() {
        let panel = Panel {
            title: "t".into(),
            note: String::new(),
            rows: vec![row(&[1.0]), row(&[])],
            axis: |value| value.to_string(),
        };
        let svg = draw("x & y", &[panel]);
        assert!(svg.contains("a&lt;b") && svg.contains("x &amp; y") && svg.contains("no answer"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
