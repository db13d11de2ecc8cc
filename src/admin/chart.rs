//! Lines over the last minutes, drawn as SVG. What they look like is the page's style.

use super::{html::push_text, units};
use std::fmt::Write;

/// One chart.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) unit: Unit,
    /// The first is drawn with the area below it.
    pub(super) series: Vec<Series>,
    /// A bound that the values should stay below, by its name.
    pub(super) limit: Option<(&'static str, u64)>,
    /// The time from the first to the last place for a point.
    pub(super) seconds: u64,
}

/// What the values of a chart are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Thousandths of one a second.
    Rate,
    Nanos,
    /// Thousandths of a CPU.
    Cpus,
    Bytes,
}

impl Unit {
    fn show(self, value: u64) -> String {
        match self {
            Unit::Rate => units::rate(value),
            Unit::Nanos => units::nanos(value),
            Unit::Cpus => units::cpus(value),
            Unit::Bytes => units::bytes(value),
        }
    }

    /// The next value that is a round one: a power of two for bytes, else 1, 2 or 5 times a power of ten; with a least one,
    /// so that next to nothing looks like it.
    fn round_up(self, value: u64) -> u64 {
        let least = match self {
            Unit::Bytes => {
                return value
                    .max(1 << 20)
                    .checked_next_power_of_two()
                    .unwrap_or(value);
            }
            Unit::Cpus => 10,
            Unit::Rate | Unit::Nanos => 1_000,
        };
        let mut step = least;
        while step < u64::MAX / 10 {
            let steps = [step, step * 2, step * 5];
            if let Some(found) = steps.into_iter().find(|top| *top >= value) {
                return found;
            }
            step *= 10;
        }
        value
    }
}

/// One line.
pub(super) struct Series {
    pub(super) name: &'static str,
    /// The oldest first, at equal distances; `None` where nothing is known.
    pub(super) points: Vec<Option<u64>>,
}

/// The drawing's size in its own units, and the place in it that the lines take.
const WIDTH: u64 = 320;
const HEIGHT: u64 = 104;
const LEFT: u64 = 46;
const RIGHT: u64 = 314;
const TOP: u64 = 8;
const BOTTOM: u64 = 86;

/// By place: a line, and its name in the caption.
const CLASSES: [&str; 2] = ["a", "b"];

/// Appends the chart with its caption, which tells the last values.
pub(super) fn push(out: &mut String, chart: &Chart) {
    out.push_str("<figure><figcaption><b>");
    push_text(out, chart.title);
    out.push_str("</b>");
    for (series, class) in chart.series.iter().zip(CLASSES) {
        let last = series.points.last().copied().flatten();
        let last = last.map_or_else(|| "–".to_owned(), |last| chart.unit.show(last));
        push_named(out, class, series.name, &last);
    }
    if let Some((name, limit)) = chart.limit {
        push_named(out, "c", name, &chart.unit.show(limit));
    }
    out.push_str("</figcaption>");
    push_drawing(out, chart);
    out.push_str("</figure>\n");
}

fn push_named(out: &mut String, class: &str, name: &str, value: &str) {
    let _ = write!(out, "<span class={class}>");
    push_text(out, name);
    out.push(' ');
    push_text(out, value);
    out.push_str("</span>");
}

fn push_drawing(out: &mut String, chart: &Chart) {
    let top = top_of(chart);
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{} of the last {}\">",
        chart.title,
        units::nanos(chart.seconds * 1_000_000_000)
    );
    for (value, y) in [(top, TOP), (top / 2, (TOP + BOTTOM) / 2), (0, BOTTOM)] {
        let label = chart.unit.show(value);
        let _ = write!(
            out,
            "<path class=grid d=\"M{LEFT} {y}H{RIGHT}\"/><text x={} y={} text-anchor=end>{label}</text>",
            LEFT - 4,
            y + 3
        );
    }
    for (x, anchor, minutes) in [
        (LEFT, "start", chart.seconds / 60),
        ((LEFT + RIGHT) / 2, "middle", chart.seconds / 120),
    ] {
        let _ = write!(
            out,
            "<text x={x} y={} text-anchor={anchor}>−{minutes} min</text>",
            BOTTOM + 14
        );
    }
    let _ = write!(
        out,
        "<text x={RIGHT} y={} text-anchor=end>now</text>",
        BOTTOM + 14
    );
    if let Some((_, limit)) = chart.limit.filter(|(_, limit)| *limit <= top) {
        let y = height(limit, top);
        let _ = write!(out, "<path class=c d=\"M{LEFT} {y}H{RIGHT}\"/>");
    }
    for (place, (series, class)) in chart.series.iter().zip(CLASSES).enumerate() {
        push_line(out, class, &series.points, top, place == 0);
    }
    out.push_str("</svg>");
}

/// The lines of one series, one for each run of points that are known.
fn push_line(out: &mut String, class: &str, points: &[Option<u64>], top: u64, with_area: bool) {
    let last = points.len().saturating_sub(1).max(1) as u64;
    let mut line = String::new();
    let mut area = String::new();
    let mut run: Option<u64> = None;
    let mut end = LEFT * 10;
    for (place, point) in points.iter().enumerate() {
        // In tenths, or neighbours would fall together.
        let x = LEFT * 10 + (RIGHT - LEFT) * 10 * place as u64 / last;
        match (point, run) {
            (Some(value), began) => {
                let letter = if began.is_none() { 'M' } else { 'L' };
                let y = height(*value, top);
                let _ = write!(line, "{letter}{}.{} {y}", x / 10, x % 10);
                let _ = match began {
                    None => write!(area, "M{}.{} {BOTTOM}V{y}", x / 10, x % 10),
                    Some(_) => write!(area, "L{}.{} {y}", x / 10, x % 10),
                };
                run = run.or(Some(x));
                end = x;
            }
            (None, Some(_)) => {
                let _ = write!(area, "L{}.{} {BOTTOM}Z", end / 10, end % 10);
                run = None;
            }
            (None, None) => {}
        }
    }
    if run.is_some() {
        let _ = write!(area, "L{}.{} {BOTTOM}Z", end / 10, end % 10);
    }
    if with_area {
        let _ = write!(out, "<path class=\"{class} area\" d=\"{area}\"/>");
    }
    let _ = write!(out, "<path class={class} d=\"{line}\"/>");
}

/// Where a value lies, from the top.
fn height(value: u64, top: u64) -> u64 {
    let above = u128::from(value.min(top)) * u128::from(BOTTOM - TOP) / u128::from(top);
    BOTTOM - above as u64
}

/// The value at the upper end: a round one above all that is drawn. A limit is drawn where it is not far above.
fn top_of(chart: &Chart) -> u64 {
    let points = chart.series.iter().flat_map(|series| &series.points);
    let highest = points.flatten().copied().max().unwrap_or(0);
    let limit = chart.limit.map(|(_, limit)| limit);
    let near = limit.filter(|limit| *limit / 4 <= highest);
    chart.unit.round_up(near.unwrap_or(0).max(highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[Option<u64>], limit: Option<u64>) -> Chart {
        Chart {
            title: "Memory",
            unit: Unit::Bytes,
            series: vec![Series {
                name: "used",
                points: points.to_vec(),
            }],
            limit: limit.map(|limit| ("limit", limit)),
            seconds: 600,
        }
    }

    #[test]
    fn the_highest_value_is_within_the_drawing_whatever_it_is() {
        for highest in [0, 1, 999, 1 << 20, (1 << 30) + 1, u64::MAX] {
            for unit in [Unit::Rate, Unit::Nanos, Unit::Cpus, Unit::Bytes] {
                let drawn = Chart {
                    unit,
                    ..chart(&[Some(highest), None, Some(0)], None)
                };
                let top = top_of(&drawn);
                assert!(top >= highest && top > 0, "{highest} in {top}");
                assert!((TOP..=BOTTOM).contains(&height(highest, top)));
            }
        }
    }

    #[test]
    fn what_is_not_known_is_a_gap_and_not_a_zero() {
        let mut out = String::new();
        push(
            &mut out,
            &chart(&[Some(1 << 20), Some(0), None, Some(1 << 20)], None),
        );
        let line = out.rsplit("<path class=a d=\"").next().unwrap();
        assert_eq!(line.split('"').next(), Some("M46.0 8L135.3 86M314.0 8"));
        let mut empty = String::new();
        push(&mut empty, &chart(&[None; 150], None));
        assert!(empty.contains("used –"), "{empty}");
    }

    #[test]
    fn a_limit_is_drawn_where_the_values_come_near_it() {
        let limited = |used: u64| chart(&[Some(used)], Some(128 << 20));
        assert_eq!(top_of(&limited(64 << 20)), 128 << 20);
        assert_eq!(
            top_of(&limited(1 << 20)),
            1 << 20,
            "or the line would lie on the ground"
        );
        let mut out = String::new();
        push(&mut out, &limited(1 << 20));
        assert!(out.contains("limit 128 MiB"), "and it is told all the same");
    }
}
