//! The charts of a report: what is drawn in which.

use crate::chart::{self, Panel, Point, Row, Tone};
use crate::metric::Metric;
use crate::report::number;
use crate::results::Results;
use crate::scenario::{self, Scenario};
use crate::variant::{LIMIT, OURS, is_ours};

/// One picture of the report: a file, a title, and panels of a scenario's metrics.
struct Picture {
    file: &'static str,
    title: &'static str,
    panels: &'static [(&'static str, &'static [Metric])],
}

const CPU: &[Metric] = &[Metric::CpuPerRequest];
const RATE: &[Metric] = &[Metric::RequestsPerSecond];
const LATENCY: &[Metric] = &[Metric::P50, Metric::P99, Metric::P999];

pub const HEADLINE: &str = "headline.svg";

const PICTURES: [Picture; 6] = [
    Picture {
        file: HEADLINE,
        title: "The short of it: shorter is better everywhere",
        panels: &[
            ("greeting", CPU),
            ("open-1000", CPU),
            ("open-100", CPU),
            ("memory-static", &[Metric::MemoryBusy]),
            ("start-static", &[Metric::FirstAnswer]),
            ("size", &[Metric::Size]),
            ("idle", &[Metric::MemoryIdle]),
            ("probe-blocked", &[Metric::P99]),
        ],
    },
    Picture {
        file: "cpu.svg",
        title: "CPU per request, by what is asked for",
        panels: &[
            ("greeting", CPU),
            ("json", CPU),
            ("fresh", CPU),
            ("down", CPU),
            ("up", CPU),
            ("work", CPU),
            ("block", CPU),
            ("greeting-1", CPU),
            ("greeting-256", CPU),
            ("greeting-static", CPU),
            ("open-100", CPU),
            ("open-1000", CPU),
            ("open-5000", CPU),
            ("open-10000", CPU),
        ],
    },
    Picture {
        file: "throughput.svg",
        title: "Requests per second: longer is better",
        panels: &[
            ("greeting-100m", RATE),
            ("greeting", RATE),
            ("greeting-1cpu", RATE),
            ("greeting-free", RATE),
            ("block", RATE),
            ("block-default", RATE),
        ],
    },
    Picture {
        file: "latency.svg",
        title: "Latency at a fixed rate, corrected for coordinated omission",
        panels: &[
            ("open-100", LATENCY),
            ("open-1000", LATENCY),
            ("open-5000", LATENCY),
            ("open-10000", LATENCY),
            ("open-100m", LATENCY),
            ("open-block", LATENCY),
        ],
    },
    Picture {
        file: "probes.svg",
        title: "Probes while everything is busy",
        panels: &[("probe-blocked", &[Metric::P50, Metric::P99]), ("probe-computing", &[Metric::P50, Metric::P99])],
    },
    Picture {
        file: "memory.svg",
        title: "Memory, with the system's libc and static",
        panels: &[
            ("memory", &[Metric::MemoryRest]),
            ("memory", &[Metric::MemoryBusy]),
            ("memory-static", &[Metric::MemoryRest]),
            ("memory-static", &[Metric::MemoryBusy]),
            ("idle", &[Metric::MemoryIdle]),
            ("idle", &[Metric::ChargedPerIdle]),
        ],
    },
];

/// Each picture for which something was measured, and nothing for the others.
pub fn charts(results: &Results) -> Vec<(&'static str, Option<String>)> {
    let drawn = |picture: &Picture| {
        let alike = picture.panels.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let panels: Vec<Panel> = picture
            .panels
            .iter()
            .filter_map(|(name, metrics)| panel(results, scenario::find(name)?, metrics, alike))
            .collect();
        (picture.file, (!panels.is_empty()).then(|| chart::draw(picture.title, &panels)))
    };
    PICTURES.iter().map(drawn).collect()
}

/// What a chart is called, by its file.
pub fn title(file: &str) -> &'static str {
    PICTURES.iter().find(|picture| picture.file == file).map_or("", |picture| picture.title)
}

/// Whether the picture that stands for all others draws that scenario.
pub fn is_in_headline(scenario: &str) -> bool {
    PICTURES[0].panels.iter().any(|(name, _)| *name == scenario)
}

fn panel(results: &Results, scenario: &Scenario, metrics: &[Metric], alike: bool) -> Option<Panel> {
    // Such as a p99.9 of too few answers, which nobody has.
    let is_measured = |metric: &Metric| results.of(scenario.name).any(|sample| sample.values.contains_key(metric));
    let metrics: Vec<Metric> = metrics.iter().copied().filter(is_measured).collect();
    let less = metrics.first()?.less_is_better();
    let mut rows: Vec<Row> = results
        .taking_part(scenario.name)
        .into_iter()
        .map(|variant| Row {
            label: variant.into(),
            points: metrics
                .iter()
                .filter_map(|&metric| {
                    let summary = results.shown(scenario.name, variant, metric)?.summary;
                    Some(Point { summary, text: number(results, scenario.name, variant, metric) })
                })
                .collect(),
            tone: tone(variant),
        })
        .collect();
    let rank = |row: &Row| match row.points.last() {
        Some(point) if less => point.summary.median,
        Some(point) => -point.summary.median,
        None => f64::INFINITY,
    };
    rows.sort_by(|one, other| rank(one).total_cmp(&rank(other)));
    let titles: Vec<&str> = metrics.iter().map(|metric| metric.title()).collect();
    let number = if titles.len() > 1 { " (the number)" } else { "" };
    let (measured, scene) = (titles.join(", ") + number, scenario.title());
    // What tells the panels of a picture apart comes first.
    let (title, note) = if alike { (scene, measured) } else { (measured, scene) };
    Some(Panel { title, note, rows, axis: |value| Metric::P99.format(value).replace(".00", "").replace(".0 ", " ") })
}

fn tone(variant: &str) -> Tone {
    match variant {
        OURS => Tone::Ours,
        LIMIT => Tone::Measure,
        kin if is_ours(kin) => Tone::Kin,
        _ => Tone::Others,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn only_what_was_measured_is_drawn() {
        let samples = vec![sample("greeting", OURS, 8e-6), sample("greeting", LIMIT, 4e-6)];
        let results = Results { samples, ..Results::default() };
        let charts = charts(&results);
        let drawn: Vec<&str> = charts.iter().filter_map(|(file, svg)| svg.as_ref().map(|_| *file)).collect();
        assert_eq!(drawn, [HEADLINE, "cpu.svg"]);
        assert!(charts[0].1.as_ref().unwrap().contains("8.00 µs 2.00×"), "{charts:?}");
    }

    #[test]
    fn pictures_name_scenarios_that_exist() {
        let mut names = PICTURES.iter().flat_map(|picture| picture.panels).map(|(name, _)| name);
        assert!(names.all(|name| scenario::find(name).is_some()));
    }

    #[test]
    fn the_headline_shows_the_rates_that_pods_live_at_beside_the_busy_greeting() {
        assert!(["greeting", "open-100", "open-1000"].iter().all(|scenario| is_in_headline(scenario)));
        assert_eq!(PICTURES[0].file, HEADLINE);
    }
}
