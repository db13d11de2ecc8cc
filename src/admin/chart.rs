//! Lines over the last minutes, drawn as SVG. What they look like is the page's style.

use super::{escape::push_text, units};
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
    Count,
    /// Thousandths of one a second.
    Rate,
    /// On a logarithmic scale: what is slow is so by orders of magnitude.
    Nanos,
    /// Thousandths of a CPU.
    Cpus,
    Bytes,
}

impl Unit {
    fn show(self, value: u64) -> String {
        match self {
            Unit::Count => value.to_string(),
            Unit::Rate => units::rate(value),
            Unit::Nanos => units::nanos(value),
            Unit::Cpus => units::cpus(value),
            Unit::Bytes => units::bytes(value),
        }
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
    let scale = Scale::of(chart);
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{} of the last {}\">",
        chart.title,
        units::nanos(chart.seconds * 1_000_000_000)
    );
    for value in [scale.top, scale.middle(), scale.bottom] {
        let y = scale.height(value);
        let _ = write!(
            out,
            "<path class=grid d=\"M{LEFT} {y}H{RIGHT}\"/><text x={} y={} text-anchor=end>{}</text>",
            LEFT - 4,
            y + 3,
            chart.unit.show(value)
        );
    }
    let minutes = chart.seconds / 60;
    for (x, anchor, label) in [
        (LEFT, "start", format!("−{minutes} min")),
        (
            (LEFT + RIGHT) / 2,
            "middle",
            format!("−{} min", minutes / 2),
        ),
        (RIGHT, "end", "now".to_owned()),
    ] {
        let y = BOTTOM + 14;
        let _ = write!(out, "<text x={x} y={y} text-anchor={anchor}>{label}</text>");
    }
    if let Some((_, limit)) = chart.limit.filter(|(_, limit)| *limit <= scale.top) {
        let y = scale.height(limit);
        let _ = write!(out, "<path class=c d=\"M{LEFT} {y}H{RIGHT}\"/>");
    }
    for (place, (series, class)) in chart.series.iter().zip(CLASSES).enumerate() {
        push_line(out, class, &series.points, &scale, place == 0);
    }
    out.push_str("</svg>");
}

/// One series: a line for each run of points that are known, and below it an area, where it is to have one.
fn push_line(out: &mut String, class: &str, points: &[Option<u64>], scale: &Scale, has_area: bool) {
    let last = points.len().saturating_sub(1).max(1) as u64;
    let mut line = String::new();
    let mut area = String::new();
    // Where the run ends so far.
    let mut end: Option<u64> = None;
    for (place, point) in points.iter().enumerate() {
        // In tenths, or neighbours would fall together.
        let x = LEFT * 10 + (RIGHT - LEFT) * 10 * place as u64 / last;
        let Some(value) = point else {
            close(&mut area, end.take());
            continue;
        };
        let y = scale.height(*value);
        let (whole, tenth) = (x / 10, x % 10);
        let _ = match end {
            None => write!(line, "M{whole}.{tenth} {y}")
                .and(write!(area, "M{whole}.{tenth} {BOTTOM}V{y}")),
            Some(_) => {
                write!(line, "L{whole}.{tenth} {y}").and(write!(area, "L{whole}.{tenth} {y}"))
            }
        };
        end = Some(x);
    }
    close(&mut area, end);
    if has_area {
        let _ = write!(out, "<path class=\"{class} area\" d=\"{area}\"/>");
    }
    let _ = write!(out, "<path class={class} d=\"{line}\"/>");
}

/// Leads the area of a run back to the ground.
fn close(area: &mut String, end: Option<u64>) {
    if let Some(x) = end {
        let _ = write!(area, "L{}.{} {BOTTOM}Z", x / 10, x % 10);
    }
}

/// From values to heights.
struct Scale {
    bottom: u64,
    top: u64,
    is_logarithmic: bool,
}

impl Scale {
    /// One whose ends are round and hold all that is drawn, and the limit where the values come near it.
    fn of(chart: &Chart) -> Scale {
        let points = chart.series.iter().flat_map(|series| &series.points);
        let known = || points.clone().flatten().copied();
        let highest = known().max().unwrap_or(0);
        let limit = chart.limit.map(|(_, limit)| limit);
        let near = limit.filter(|limit| *limit / 4 <= highest);
        let highest = near.unwrap_or(0).max(highest);
        let linear = |top| Scale {
            bottom: 0,
            top,
            is_logarithmic: false,
        };
        match chart.unit {
            Unit::Nanos => Scale::of_decades(known().min().unwrap_or(0), highest),
            Unit::Bytes => linear(
                highest
                    .max(1 << 20)
                    .checked_next_power_of_two()
                    .unwrap_or(highest),
            ),
            Unit::Count => linear(round_up(highest, 2)),
            Unit::Cpus => linear(round_up(highest, 10)),
            Unit::Rate => linear(round_up(highest, 1_000)),
        }
    }

    /// From a power of ten to another, a microsecond at least, with one in the middle.
    fn of_decades(lowest: u64, highest: u64) -> Scale {
        let below = lowest.max(1_000).ilog10();
        let above = highest.max(1_000).ilog10() + 1;
        let odd = (above - below) % 2;
        Scale {
            bottom: 10_u64.pow(below),
            top: 10_u64.saturating_pow((above + odd).max(below + 2)),
            is_logarithmic: true,
        }
    }

    fn middle(&self) -> u64 {
        match self.is_logarithmic {
            true => 10_u64.pow(u32::midpoint(self.bottom.ilog10(), self.top.ilog10())),
            false => self.top / 2,
        }
    }

    /// Where a value lies, from the upper edge.
    fn height(&self, value: u64) -> u64 {
        let place = |value| match self.is_logarithmic {
            true => logarithm(value),
            false => value,
        };
        let bottom = place(self.bottom);
        let range = u128::from(place(self.top) - bottom).max(1);
        let above = u128::from(place(value.clamp(self.bottom, self.top)) - bottom);
        BOTTOM - (above * u128::from(BOTTOM - TOP) / range) as u64
    }
}

/// To the base of two, in 256ths, and between two powers along a straight line: off by a twelfth at most.
fn logarithm(value: u64) -> u64 {
    let value = value.max(1);
    let whole = value.ilog2();
    let fraction = (u128::from(value) << 8 >> whole) as u64 - 256;
    u64::from(whole) * 256 + fraction
}

/// The next of `least`, 2 and 5 and 10 times that, and so on.
fn round_up(value: u64, least: u64) -> u64 {
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
            for unit in [
                Unit::Count,
                Unit::Rate,
                Unit::Nanos,
                Unit::Cpus,
                Unit::Bytes,
            ] {
                let drawn = Chart {
                    unit,
                    ..chart(&[Some(highest), None, Some(0)], None)
                };
                let scale = Scale::of(&drawn);
                assert!(scale.top >= highest && scale.top > 0, "{highest}");
                for value in [0, 1, highest, u64::MAX] {
                    assert!((TOP..=BOTTOM).contains(&scale.height(value)), "{value}");
                }
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
    fn latencies_of_all_magnitudes_can_be_told_apart() {
        let drawn = Chart {
            unit: Unit::Nanos,
            ..chart(&[Some(7_000), Some(20_000_000_000)], None)
        };
        let scale = Scale::of(&drawn);
        assert_eq!((scale.bottom, scale.top), (1_000, 100_000_000_000));
        assert_eq!(scale.middle(), 10_000_000);
        let heights = [7_000, 70_000, 700_000, 7_000_000].map(|value| scale.height(value));
        assert!(
            heights.is_sorted_by(|one, next| *one >= next + 8),
            "{heights:?}"
        );
    }

    #[test]
    fn a_limit_is_drawn_where_the_values_come_near_it() {
        let limited = |used: u64| chart(&[Some(used)], Some(128 << 20));
        assert_eq!(Scale::of(&limited(64 << 20)).top, 128 << 20);
        assert_eq!(
            Scale::of(&limited(1 << 20)).top,
            1 << 20,
            "or the line would lie on the ground"
        );
        let mut out = String::new();
        push(&mut out, &limited(1 << 20));
        assert!(out.contains("limit 128 MiB"), "and it is told all the same");
    }
}
