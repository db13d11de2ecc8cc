//! The part of the project's README that quotes the report, written from it between two marks.
//! `tests/it/benchmarks.rs` holds each number in it against `raw.json`.

use crate::metric::Metric;
use crate::pictures;
use crate::report;
use crate::results::Results;
use crate::scenario;
use crate::variant::{self, LIMIT, OURS};
use crate::verdict::{self, ENOUGH_ROUNDS};

const BEGIN: &str = "<!-- By `bench report` from benches/report/raw.json: -->\n";
const END: &str = "<!-- the end of what `bench report` writes -->\n";

/// The rows of the table, by a metric and a scenario.
const QUOTED: [(Metric, &str); 14] = [
    (Metric::CpuPerRequest, "open-100"),
    (Metric::CpuPerRequest, "open-1000"),
    (Metric::CpuPerRequest, "open-5000"),
    (Metric::CpuPerRequest, "greeting"),
    (Metric::CpuPerRequest, "fresh"),
    (Metric::P99, "open-1000"),
    (Metric::P99, "work"),
    (Metric::RequestsPerSecond, "block"),
    (Metric::RequestsPerSecond, "block-default"),
    (Metric::P99, "probe-blocked"),
    (Metric::P99, "probe-computing"),
    (Metric::MemoryBusy, "memory-static"),
    (Metric::MemoryIdle, "idle"),
    (Metric::FirstAnswer, "start-static"),
];

/// The columns. The report has them all.
const COLUMNS: [&str; 8] = [LIMIT, OURS, "axum", "actix-web", "hyper", "khttp", "astra", "Go net/http"];

/// Whether the README says something about that scenario, in its table or in its chart.
pub fn quotes(scenario: &str) -> bool {
    QUOTED.iter().any(|(_, quoted)| *quoted == scenario) || pictures::is_in_headline(scenario)
}

/// The section, without the marks around it.
pub fn section(results: &Results) -> String {
    let measured = results.variants(&variant::names());
    let columns: Vec<&str> = COLUMNS.into_iter().filter(|column| measured.contains(column)).collect();
    let picture = "CPU per request, memory, start, size and probes of seaworthy beside others";
    format!(
        "![{picture}](benches/report/{})\n\n{}\n{}",
        pictures::HEADLINE,
        wrap(&preface(results, columns.contains(&LIMIT))),
        table(results, &columns)
    )
}

fn preface(results: &Results, has_limit: bool) -> String {
    let machine = &results.machine;
    let limit = match has_limit {
        true => {
            "`limit` is what the kernel alone takes: one thread, one epoll, one `recv` and one `send` a request, nothing \
             parsed; `2.00×` is the ratio to it. "
        }
        false => "",
    };
    format!(
        "Measured on {} on {} CPUs of {}, every variant in turn in one interleaved run of {} rounds of {} s. {limit}\
         Seaworthy is ahead or behind where each undisturbed round of the one lies beyond each of the other's, and level \
         where not; fewer than {ENOUGH_ROUNDS} such rounds are no verdict. – is what a variant cannot do or never answered, and \
         † marks what was never undisturbed. [The report](benches/report/README.md) has every scenario with its spread, \
         and [its page](benches/README.md) says how to repeat it on your machine.",
        results.started, machine.cpus, machine.cpu, results.rounds, results.seconds,
    )
}

fn table(results: &Results, columns: &[&str]) -> String {
    let lines = "---|".repeat(columns.len());
    let mut text = format!("| the median of | {} | seaworthy is |\n|---|{lines}---|\n", columns.join(" | "));
    for (metric, name) in QUOTED {
        let Some(scenario) = scenario::find(name).filter(|_| results.of(name).next().is_some()) else { continue };
        let cells: Vec<String> = columns.iter().map(|variant| report::number(results, name, variant, metric)).collect();
        let mut standing = report::standing(results, name, metric);
        standing.retain(|(variant, _)| columns.contains(variant));
        let label = format!("{}, `{name}`: {}", metric.title(), scenario.title());
        text += &format!("| {label} | {} | {} |\n", cells.join(" | "), verdict::in_words(&standing));
    }
    text
}

/// As wide as the rest of the README.
fn wrap(text: &str) -> String {
    const WIDTH: usize = 120;
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line += word,
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => *line += &format!(" {word}"),
            _ => lines.push(word.into()),
        }
    }
    lines.join("\n") + "\n"
}

/// The README with that section in place of the one it had.
pub fn replace(readme: &str, section: &str) -> Result<String, String> {
    let parts = readme.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or(format!("the README has no part between {} and {}", BEGIN.trim(), END.trim()))?;
    Ok(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    #[test]
    fn a_section_takes_the_place_of_the_one_before_it() {
        let readme = format!("# Name\n\n{BEGIN}\nold\n\n{END}\n## Licence\n");
        let once = replace(&readme, "new\n").unwrap();
        assert_eq!(once, format!("# Name\n\n{BEGIN}\nnew\n\n{END}\n## Licence\n"));
        assert_eq!(replace(&once, "new\n").unwrap(), once);
        assert!(replace("# Name\n", "new").unwrap_err().contains("no part between"));
    }

    #[test]
    fn a_row_has_each_variant_that_was_measured_and_a_verdict() {
        let samples = vec![
            sample("greeting", LIMIT, 5e-6),
            sample("greeting", OURS, 8e-6),
            sample("greeting", "axum", 10e-6),
            sample("greeting", "rouille", 30e-6),
        ];
        let text = section(&Results { samples, ..Results::default() });
        assert!(text.contains("| the median of | limit | seaworthy | axum | seaworthy is |\n"), "{text}");
        assert!(
            text.contains("500m | 5.00 µs | 8.00 µs 1.60× | 10.0 µs 2.00× | too few rounds beside axum |\n"),
            "{text}"
        );
        assert_eq!(text.lines().filter(|line| line.starts_with("| ")).count(), 2, "{text}");
    }

    #[test]
    fn paragraphs_are_as_wide_as_the_readme() {
        let text = wrap(&"word ".repeat(100));
        assert!(text.lines().all(|line| line.len() <= 120) && text.lines().count() == 5, "{text}");
    }

    #[test]
    fn what_is_quoted_exists() {
        assert!(QUOTED.iter().all(|(_, name)| scenario::find(name).is_some()));
        assert!(COLUMNS.iter().all(|column| variant::names().contains(column)));
    }

    #[test]
    fn the_readme_is_written_from_the_report_beside_it() {
        let report = concat!(env!("CARGO_MANIFEST_DIR"), "/report/raw.json");
        let results: Results = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
        let written = replace(&readme, &section(&results)).unwrap();
        assert!(written == readme, "stale: cargo run --release --manifest-path benches/Cargo.toml -- report");
    }
}
