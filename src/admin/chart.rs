//! Lines over the last minutes, drawn as SVG. What they look like is the page's style.

mod scale;

use super::{
    history::Sample,
    units::{Bytes, Cpus, Nanos, Rate},
};
use scale::{BOTTOM, Scale, Unit};
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
    fn a_limit_far_above_the_values_is_told_all_the_same() {
        let limit = Some(128 << 20);
        let out = charts(&[], limit);
        assert!(out.contains("limit 128 MiB"), "{out}");
    }
}
