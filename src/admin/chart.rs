//! Lines over the last minutes, drawn as SVG. What they look like is the page's style.

use super::{
    history::Sample,
    units::{Bytes, Cpus, Nanos, Rate},
};
use std::fmt::{self, Display, Formatter, Write};

/// The last minutes, and what the lines in it should stay below.
pub(super) struct Charts {
    /// The oldest first, at equal distances.
    pub(super) samples: Vec<Sample>,
    /// How many there are at most, and how many seconds that is.
    pub(super) capacity: usize,
    pub(super) seconds: u64,
    pub(super) limits: Limits,
}

pub(super) struct Limits {
    pub(super) workers: Option<u64>,
    /// Thousandths of a CPU.
    pub(super) cpu: Option<u64>,
    /// Bytes.
    pub(super) memory: Option<u64>,
}

/// One chart.
struct Chart {
    title: &'static str,
    unit: Unit,
    /// One or two; the first is drawn with the area below it.
    series: &'static [Series],
    /// What the values should stay below.
    limit: Option<Limit>,
}

struct Limit {
    name: &'static str,
    value: fn(&Limits) -> Option<u64>,
}

/// One line.
struct Series {
    name: &'static str,
    value: fn(&Sample) -> Option<u64>,
}

const fn series(name: &'static str, value: fn(&Sample) -> Option<u64>) -> Series {
    Series { name, value }
}

const CHARTS: [Chart; 6] = [
    Chart {
        title: "Requests",
        unit: Unit::Rate,
        series: &[series("answered", |sample| Some(sample.requests.into()))],
        limit: None,
    },
    Chart {
        title: "Latency",
        unit: Unit::Nanos,
        series: &[
            series("median", |sample| sample.median),
            series("99 %", |sample| sample.slowest_percent),
        ],
        limit: None,
    },
    Chart {
        title: "Errors",
        unit: Unit::Rate,
        series: &[series("5xx", |sample| Some(sample.failed.into()))],
        limit: None,
    },
    Chart {
        title: "Workers",
        unit: Unit::Count,
        series: &[
            series("busy", |sample| Some(sample.busy.into())),
            series("queued", |sample| Some(sample.queued.into())),
        ],
        limit: Some(Limit {
            name: "of",
            value: |limits| limits.workers,
        }),
    },
    Chart {
        title: "CPU",
        unit: Unit::Cpus,
        series: &[
            series("used", |sample| Some(sample.cpu.into())),
            series("throttled", |sample| Some(sample.throttled.into())),
        ],
        limit: Some(Limit {
            name: "quota",
            value: |limits| limits.cpu,
        }),
    },
    Chart {
        title: "Memory",
        unit: Unit::Bytes,
        series: &[series("resident", |sample| Some(sample.memory))],
        limit: Some(Limit {
            name: "limit",
            value: |limits| limits.memory,
        }),
    },
];

/// What the values of a chart are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    /// Thousandths of one a second.
    Rate,
    /// On a logarithmic scale: what is slow is so by orders of magnitude.
    Nanos,
    /// Thousandths of a CPU.
    Cpus,
    Bytes,
}

/// A value with its unit, or a dash for what is not known.
struct Shown(Unit, Option<u64>);

impl Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (_, None) => f.write_str("–"),
            (Unit::Count, Some(value)) => value.fmt(f),
            (Unit::Rate, Some(value)) => Rate(value).fmt(f),
            (Unit::Nanos, Some(value)) => Nanos(value).fmt(f),
            (Unit::Cpus, Some(value)) => Cpus(value).fmt(f),
            (Unit::Bytes, Some(value)) => Bytes(value).fmt(f),
        }
    }
}

/// The drawing's size in its own units, and the place in it that the lines take.
const WIDTH: u64 = 320;
const HEIGHT: u64 = 104;
const LEFT: u64 = 46;
const RIGHT: u64 = 314;
const TOP: u64 = 8;
const BOTTOM: u64 = 86;

/// Of the first and the second line.
const CLASSES: [char; 2] = ['a', 'b'];

impl Charts {
    /// Appends all of them.
    pub(super) fn draw(&self, out: &mut String) {
        for chart in &CHARTS {
            // What is written to is a String, which takes all.
            let _ = self.draw_one(chart, out);
        }
    }

    fn draw_one(&self, chart: &Chart, out: &mut String) -> fmt::Result {
        let title = chart.title;
        write!(out, "<figure><figcaption><b>{title}</b>")?;
        for (series, class) in chart.series.iter().zip(CLASSES) {
            let last = self.samples.last().and_then(series.value);
            let (name, last) = (series.name, Shown(chart.unit, last));
            write!(out, "<span class={class}>{name} {last}</span>")?;
        }
        let known = chart.limit.as_ref();
        let limit = known.and_then(|limit| (limit.value)(&self.limits));
        if let (Some(Limit { name, .. }), Some(_)) = (known, limit) {
            let limit = Shown(chart.unit, limit);
            write!(out, "<span class=c>{name} {limit}</span>")?;
        }
        let minutes = self.seconds / 60;
        write!(
            out,
            "</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img \
             aria-label=\"{title} of the last {minutes} minutes\">"
        )?;
        let values = self.samples.iter().flat_map(|sample| {
            chart
                .series
                .iter()
                .filter_map(|series| (series.value)(sample))
        });
        let scale = Scale::of(chart.unit, values, limit);
        for value in [scale.top, scale.middle(), scale.bottom] {
            let y = scale.height(value);
            let (x, baseline, label) = (LEFT - 4, y + 3, Shown(chart.unit, Some(value)));
            write!(
                out,
                "<path class=grid d=\"M{LEFT} {y}H{RIGHT}\"/>\
                 <text x={x} y={baseline} text-anchor=end>{label}</text>"
            )?;
        }
        let (middle, baseline) = ((LEFT + RIGHT) / 2, BOTTOM + 14);
        write!(
            out,
            "<text x={LEFT} y={baseline}>−{minutes} min</text>\
             <text x={middle} y={baseline} text-anchor=middle>−{} min</text>\
             <text x={RIGHT} y={baseline} text-anchor=end>now</text>",
            minutes / 2
        )?;
        if let Some(limit) = limit.filter(|limit| *limit <= scale.top) {
            let y = scale.height(limit);
            write!(out, "<path class=c d=\"M{LEFT} {y}H{RIGHT}\"/>")?;
        }
        for (place, (series, class)) in chart.series.iter().zip(CLASSES).enumerate() {
            if place == 0 {
                write!(out, "<path class=\"{class} area\" d=\"")?;
                self.draw_line(series, &scale, true, out)?;
                out.push_str("\"/>");
            }
            write!(out, "<path class={class} d=\"")?;
            self.draw_line(series, &scale, false, out)?;
            out.push_str("\"/>");
        }
        out.push_str("</svg></figure>\n");
        Ok(())
    }

    /// A line for each run of points that are known, or the area below each.
    fn draw_line(
        &self,
        series: &Series,
        scale: &Scale,
        is_area: bool,
        out: &mut String,
    ) -> fmt::Result {
        let missing = self.capacity.saturating_sub(self.samples.len());
        let last = self.capacity.saturating_sub(1).max(1) as u64;
        let mut is_in_run = false;
        // In tenths, or neighbours would fall together.
        let mut x = LEFT * 10;
        for (place, sample) in self.samples.iter().enumerate() {
            let before = x;
            x = LEFT * 10 + (RIGHT - LEFT) * 10 * (missing + place) as u64 / last;
            let Some(value) = (series.value)(sample) else {
                if is_in_run && is_area {
                    write!(out, "L{} {BOTTOM}Z", Tenths(before))?;
                }
                is_in_run = false;
                continue;
            };
            let y = scale.height(value);
            match (is_in_run, is_area) {
                (false, true) => write!(out, "M{} {BOTTOM}V{y}", Tenths(x))?,
                // A line of no length, so that a lone point is seen.
                (false, false) => write!(out, "M{} {y}h0", Tenths(x))?,
                (true, _) => write!(out, "L{} {y}", Tenths(x))?,
            }
            is_in_run = true;
        }
        match is_in_run && is_area {
            true => write!(out, "L{} {BOTTOM}Z", Tenths(x)),
            false => Ok(()),
        }
    }
}

struct Tenths(u64);

impl Display for Tenths {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
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
    fn of(unit: Unit, values: impl Iterator<Item = u64>, limit: Option<u64>) -> Scale {
        let (lowest, highest) = values.fold((u64::MAX, 0), |(lowest, highest), value| {
            (lowest.min(value), highest.max(value))
        });
        let near = limit.filter(|limit| *limit / 4 <= highest);
        let highest = near.unwrap_or(0).max(highest);
        let top = match unit {
            Unit::Nanos => return Scale::of_decades(lowest.min(highest), highest),
            Unit::Bytes => highest
                .max(1 << 20)
                .checked_next_power_of_two()
                .unwrap_or(highest),
            Unit::Count => round_up(highest, 2),
            Unit::Cpus => round_up(highest, 10),
            Unit::Rate => round_up(highest, 1_000),
        };
        Scale {
            bottom: 0,
            top,
            is_logarithmic: false,
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

    const SECONDS: u64 = 600;

    fn charts(samples: &[Sample], memory: Option<u64>) -> String {
        let charts = Charts {
            samples: samples.to_vec(),
            capacity: 4,
            seconds: SECONDS,
            limits: Limits {
                workers: None,
                cpu: None,
                memory,
            },
        };
        let mut out = String::new();
        charts.draw(&mut out);
        out
    }

    fn scale(unit: Unit, values: &[u64], limit: Option<u64>) -> Scale {
        Scale::of(unit, values.iter().copied(), limit)
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
                let scale = scale(unit, &[highest, 0], None);
                assert!(scale.top >= highest && scale.top > 0, "{highest}");
                for value in [0, 1, highest, u64::MAX] {
                    assert!((TOP..=BOTTOM).contains(&scale.height(value)), "{value}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_is_a_gap_and_not_a_zero() {
        let known = |median| Sample {
            median: Some(median),
            ..Sample::default()
        };
        let out = charts(&[known(1_000), Sample::default(), known(100_000)], None);
        assert!(
            out.contains("<path class=a d=\"M135.3 86h0M314.0 48h0\"/>"),
            "{out}"
        );
        let area = "d=\"M135.3 86V86L135.3 86ZM314.0 86V48L314.0 86Z\"";
        assert!(out.contains(area), "{out}");
        let nothing = charts(&[], None);
        assert!(nothing.contains("median –"), "{nothing}");
    }

    #[test]
    fn latencies_of_all_magnitudes_can_be_told_apart() {
        let scale = scale(Unit::Nanos, &[7_000, 20_000_000_000], None);
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
        let limit = Some(128 << 20);
        assert_eq!(scale(Unit::Bytes, &[64 << 20], limit).top, 128 << 20);
        assert_eq!(
            scale(Unit::Bytes, &[1 << 20], limit).top,
            1 << 20,
            "or the line would lie on the ground"
        );
        let out = charts(&[], limit);
        assert!(
            out.contains("limit 128 MiB"),
            "and it is told all the same: {out}"
        );
    }
}
