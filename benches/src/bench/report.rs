//! The report: charts for a glance, tables for a look, and what to make of them.

use crate::chart::{self, Panel, Point, Row, Tone};
use crate::goals::{OURS, is_ours, verdicts};
use crate::metric::Metric;
use crate::results::{Results, Sample};
use crate::scenario::{Kind, SCENARIOS, Scenario};

/// One picture of the report: a file, a title, and panels of a scenario's metrics.
struct Picture {
    file: &'static str,
    title: &'static str,
    panels: &'static [(&'static str, &'static [Metric])],
}

const CPU: &[Metric] = &[Metric::CpuPerRequest];
const RATE: &[Metric] = &[Metric::RequestsPerSecond];
const LATENCY: &[Metric] = &[Metric::P50, Metric::P99, Metric::P999];

const PICTURES: [Picture; 6] = [
    Picture {
        file: "headline.svg",
        title: "The short of it: shorter is better everywhere",
        panels: &[
            ("greeting", CPU),
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
        panels: &[("open-100m", LATENCY), ("open-1000", LATENCY), ("open-10000", LATENCY), ("open-block", LATENCY)],
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

/// The pictures for which something was measured.
pub fn charts(results: &Results) -> Vec<(&'static str, String)> {
    let drawn = |picture: &Picture| {
        let alike = picture.panels.windows(2).all(|pair| pair[0].1 == pair[1].1);
        let panels: Vec<Panel> =
            picture.panels.iter().filter_map(|(name, metrics)| panel(results, find(name)?, metrics, alike)).collect();
        (!panels.is_empty()).then(|| (picture.file, chart::draw(picture.title, &panels)))
    };
    PICTURES.iter().filter_map(drawn).collect()
}

fn find(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

fn panel(results: &Results, scenario: &Scenario, metrics: &[Metric], alike: bool) -> Option<Panel> {
    let mut rows: Vec<Row> = names(results, scenario.name)
        .into_iter()
        .map(|variant| Row {
            label: variant.into(),
            points: metrics
                .iter()
                .filter_map(|&metric| {
                    let summary = results.summary(scenario.name, variant, metric)?;
                    Some(Point { summary, text: metric.format(summary.median) })
                })
                .collect(),
            tone: tone(variant),
        })
        .collect();
    if rows.iter().all(|row| row.points.is_empty()) {
        return None;
    }
    let less = metrics[0].less_is_better();
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
        kin if is_ours(kin) => Tone::Kin,
        _ => Tone::Others,
    }
}

/// The variants that took part in a scenario.
fn names<'a>(results: &'a Results, scenario: &str) -> Vec<&'a str> {
    let order = crate::variant::names();
    let mut names = results.variants(&order);
    names.retain(|name| results.of(scenario).any(|sample| sample.variant == *name));
    names
}

pub fn markdown(results: &Results) -> String {
    let mut text = String::from("# Synchronous threads beside async, measured\n\n");
    text += &preface(results);
    text += &goals(results);
    for (file, _) in charts(results) {
        let title = PICTURES.iter().find(|picture| picture.file == file).map_or("", |p| p.title);
        text += &format!("![{title}]({file})\n\n");
    }
    text += "## Every scenario\n\n\
             Medians of the rounds, with the lowest and the highest in brackets; the best median \
             is bold. `bench list` names the scenarios; each runs by its name.\n\n";
    for scenario in &SCENARIOS {
        text += &table(results, scenario);
    }
    text.trim_end().to_string() + "\n"
}

fn preface(results: &Results) -> String {
    let machine = &results.machine;
    let virtual_machine = if machine.virtual_machine { ", a virtual machine" } else { "" };
    let disturbed = results.samples.iter().filter(|sample| sample.disturbance.matters()).count();
    let mut text = format!(
        "Measured on {} on {} CPUs of {}{virtual_machine}, {:.0} GiB, {}, {}. {}.\n\n\
         {} rounds of {} s each after a warm-up; in each round every scenario meets every variant, \
         in a new order. CPU time is the server's own, whatever else runs. The load comes from the \
         same machine, so requests/s without a quota say as much about the load generator.\n\n",
        results.started,
        machine.cpus,
        machine.cpu,
        machine.memory_bytes / f64::from(1 << 30),
        machine.kernel,
        machine.cgroups,
        machine.versions.join(", "),
        results.rounds,
        results.seconds,
    );
    if disturbed > 0 {
        text += &format!(
            "**{disturbed} of {} measurements were disturbed**: other processes took more than a \
             tenth of a CPU, or the hypervisor withheld more than a fiftieth. Trust their CPU times \
             and sizes more than their latencies.\n\n",
            results.samples.len()
        );
    }
    for missing in &results.missing {
        text += &format!("Left out: {missing}.\n\n");
    }
    text
}

fn goals(results: &Results) -> String {
    let verdicts = verdicts(results);
    if verdicts.is_empty() {
        return String::new();
    }
    let mut text = String::from("| goal | measured | bound | |\n|---|---|---|---|\n");
    for verdict in verdicts {
        let reached = if verdict.reached { "reached" } else { "**missed**" };
        text += &format!("| {} | {} | {} | {reached} |\n", verdict.text, verdict.measured, verdict.bound);
    }
    text + "\n"
}

fn table(results: &Results, scenario: &Scenario) -> String {
    let mut metrics: Vec<Metric> = results.of(scenario.name).flat_map(|sample| sample.values.keys().copied()).collect();
    metrics.sort();
    metrics.dedup();
    if metrics.is_empty() {
        return String::new();
    }
    let titles: Vec<&str> = metrics.iter().map(|metric| metric.title()).collect();
    let mut text = format!("### `{}`: {}\n\n", scenario.name, scenario.title());
    text += &format!("| | {} |\n|---|{}\n", titles.join(" | "), "---|".repeat(metrics.len()));
    let variants = names(results, scenario.name);
    for variant in &variants {
        let cells: Vec<String> =
            metrics.iter().map(|&metric| cell(results, scenario, &variants, variant, metric)).collect();
        text += &format!("| {variant} | {} |\n", cells.join(" | "));
    }
    text += "\n";
    let mut noted = false;
    for sample in results.of(scenario.name) {
        if !sample.note.is_empty() {
            text += &format!("- {}, round {}: {}\n", sample.variant, sample.round, sample.note.trim());
            noted = true;
        }
    }
    if noted {
        text += "\n";
    }
    text + &disturbances(results, scenario)
}

fn cell(results: &Results, scenario: &Scenario, variants: &[&str], variant: &str, metric: Metric) -> String {
    let median = |variant: &str| Some(results.summary(scenario.name, variant, metric)?.median);
    let Some(summary) = results.summary(scenario.name, variant, metric) else {
        return "–".into();
    };
    let medians = || variants.iter().filter_map(|variant| median(variant));
    let best = match metric.less_is_better() {
        true => medians().fold(f64::INFINITY, f64::min),
        false => medians().fold(0.0, f64::max),
    };
    let [middle, min, max] = [summary.median, summary.min, summary.max].map(|v| metric.format(v));
    let alike = medians().all(|median| median == best);
    let middle = if summary.median == best && !alike { format!("**{middle}**") } else { middle };
    if min == max { middle } else { format!("{middle} ({min} – {max})") }
}

/// Which rounds to read with care.
fn disturbances(results: &Results, scenario: &Scenario) -> String {
    if matches!(scenario.kind, Kind::Size) {
        return String::new();
    }
    let disturbed: Vec<&Sample> = results.of(scenario.name).filter(|sample| sample.disturbance.matters()).collect();
    if disturbed.is_empty() {
        return String::new();
    }
    let worst = |of: fn(&Sample) -> f64| disturbed.iter().map(|s| of(s)).fold(0.0, f64::max);
    format!(
        "Disturbed: {} of {} (at worst others took {:.2} CPUs, and {:.2} were withheld).\n\n",
        disturbed.len(),
        results.of(scenario.name).count(),
        worst(|sample| sample.disturbance.others),
        worst(|sample| sample.disturbance.stolen),
    )
}

/// For the terminal: the first column of each table.
pub fn short(results: &Results) -> String {
    let mut text = String::new();
    for scenario in &SCENARIOS {
        let values = results.of(scenario.name).flat_map(|sample| sample.values.keys());
        let Some(&metric) = values.min() else { continue };
        text += &format!("\n{}: {}\n", metric.title(), scenario.title());
        for variant in names(results, scenario.name) {
            let summary = results.summary(scenario.name, variant, metric);
            let cell = summary.map_or("–".into(), |summary| {
                let [middle, min, max] = [summary.median, summary.min, summary.max].map(|value| metric.format(value));
                format!("{middle:>10}   {min} – {max}")
            });
            text += &format!("  {variant:24}{cell}\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Disturbance;
    use crate::measure::Values;

    fn sample(variant: &str, round: u32, cpu: f64, others: f64) -> Sample {
        Sample {
            scenario: "greeting".into(),
            variant: variant.into(),
            round,
            values: Values::from([(Metric::CpuPerRequest, cpu), (Metric::Failed, 0.0)]),
            note: if others > 0.0 { "odd".into() } else { String::new() },
            disturbance: Disturbance { others, stolen: 0.0 },
        }
    }

    fn results() -> Results {
        let samples = vec![
            sample("axum", 1, 10e-6, 0.0),
            sample(OURS, 1, 8e-6, 0.0),
            sample(OURS, 2, 9e-6, 1.5),
            sample("axum", 2, 10e-6, 0.0),
        ];
        Results { samples, ..Results::default() }
    }

    #[test]
    fn the_best_is_bold_and_spread_is_told() {
        let text = markdown(&results());
        assert!(text.contains("| seaworthy | **8.50 µs** (8.00 µs – 9.00 µs) | 0 |"), "{text}");
        assert!(text.contains("| axum | 10.0 µs | 0 |"), "{text}");
    }

    #[test]
    fn what_was_disturbed_is_said() {
        let text = markdown(&results());
        assert!(text.contains("**1 of 4 measurements were disturbed**"), "{text}");
        assert!(text.contains("Disturbed: 1 of 4 (at worst others took 1.50 CPUs"), "{text}");
        assert!(text.contains("- seaworthy, round 2: odd"), "{text}");
    }

    #[test]
    fn only_what_was_measured_is_drawn() {
        let files: Vec<&str> = charts(&results()).into_iter().map(|(file, _)| file).collect();
        assert_eq!(files, ["headline.svg", "cpu.svg"]);
    }

    #[test]
    fn pictures_name_scenarios_that_exist() {
        let mut names = PICTURES.iter().flat_map(|picture| picture.panels).map(|(name, _)| name);
        assert!(names.all(|name| find(name).is_some()));
    }
}
