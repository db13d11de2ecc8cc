//! What the README quotes of the benchmark is what was measured: each number and each verdict is worked out here anew, from
//! the raw measurements and by other code than wrote them.

use std::fs;
use std::path::Path;

use serde_json::Value;

const OURS: &str = "seaworthy";
const LIMIT: &str = "limit";
const ENOUGH_ROUNDS: usize = 7;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn raw() -> Value {
    serde_json::from_str(&read("benches/report/raw.json")).expect("raw.json is JSON")
}

/// The README's part on the benchmark: what the report wrote, and what people wrote around it.
fn sections() -> (String, String) {
    let readme = read("README.md");
    let (_, rest) = readme
        .split_once("\n## Against async\n")
        .expect("the README has the section");
    let (section, _) = rest.split_once("\n## ").expect("it is not the last one");
    let (before, rest) = section
        .split_once("<!-- By `bench report` from benches/report/raw.json: -->")
        .expect("what is written begins somewhere");
    let (written, after) = rest
        .split_once("<!-- the end of what `bench report` writes -->")
        .expect("what is written ends somewhere");
    (written.to_owned(), format!("{before}{after}"))
}

/// The cells of each row of the table, its head first.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines = section
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.map(|line| line.split(" | ").collect()).collect()
}

/// What a row is about, by the names that `raw.json` has for its metric and scenario.
fn subject(label: &str) -> (&'static str, &str) {
    let (title, rest) = label
        .split_once(", `")
        .unwrap_or_else(|| panic!("no scenario in {label:?}"));
    let metric = match title {
        "CPU per request" => "CpuPerRequest",
        "requests/s" => "RequestsPerSecond",
        "p99" => "P99",
        "memory when busy" => "MemoryBusy",
        "memory with idle connections" => "MemoryIdle",
        "start to first 200" => "FirstAnswer",
        _ => panic!("the metric {title:?} is not known here"),
    };
    let (scenario, _) = rest.split_once('`').expect("a name in backticks");
    (metric, scenario)
}

/// The sorted values of the rounds that count, and whether that is because none was undisturbed.
fn values(raw: &Value, scenario: &str, variant: &str, metric: &str) -> (Vec<f64>, bool) {
    let samples = raw["samples"].as_array().expect("samples");
    let rounds = samples
        .iter()
        .filter(|sample| sample["scenario"] == scenario && sample["variant"] == variant);
    let of = |wanted: &dyn Fn(&Value) -> bool| {
        let counting = rounds.clone().filter(|sample| wanted(sample));
        let mut values: Vec<f64> = counting
            .filter_map(|sample| sample["values"][metric].as_f64())
            .collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let quiet = of(&|sample| !is_disturbed(sample));
    if quiet.is_empty() {
        (of(&|_| true), true)
    } else {
        (quiet, false)
    }
}

/// As `benches/README.md` says.
fn is_disturbed(sample: &Value) -> bool {
    let of = |name: &str| sample["disturbance"][name].as_f64().unwrap_or(0.0);
    of("others") > 0.1 || of("stolen") > 0.02 || of("generator") > 0.95
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => None,
        1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Whether the written number is that one, rounded to as many digits as it has.
fn is_written(number: &str, unit: f64, value: f64) -> bool {
    let digits = number.replace(',', "");
    let decimals = digits.split_once('.').map_or(0, |(_, rest)| rest.len());
    let half = 0.5 * 10f64.powi(-(decimals as i32));
    let written: f64 = digits
        .parse()
        .unwrap_or_else(|_| panic!("{number:?} is no number"));
    (value / unit - written).abs() <= half * (1.0 + 1e-6)
}

/// `7.82 µs 1.53×`, `5,900`, `16.3 ms †` or `–`: what is wrong with it.
fn wrong_in_cell(
    raw: &Value,
    cell: &str,
    scenario: &str,
    variant: &str,
    metric: &str,
) -> Option<String> {
    let (values, is_disturbed) = values(raw, scenario, variant, metric);
    let Some(value) = median(&values) else {
        return (cell != "–").then(|| "nothing was measured".to_owned());
    };
    let mut words = cell.split(' ').peekable();
    let number = words.next().unwrap_or_default();
    let unit = match words.next_if(|word| !word.ends_with('×') && *word != "†") {
        None => 1.0,
        Some("µs") => 1e-6,
        Some("ms") => 1e-3,
        Some("s") => 1.0,
        Some("KiB") => 1024.0,
        Some("MiB") => 1024.0 * 1024.0,
        Some(unit) => return Some(format!("the unit {unit:?} is not known here")),
    };
    if number == "–" || !is_written(number, unit, value) {
        return Some(format!("the median is {value}"));
    }
    let limit = self::values(raw, scenario, LIMIT, metric);
    let ratio = match median(&limit.0) {
        Some(limit_median) if variant != LIMIT && !limit.1 && !is_disturbed => {
            Some(value / limit_median)
        }
        _ => None,
    };
    let rest = words.next();
    let holds = match (rest, ratio) {
        (Some("†"), _) => is_disturbed,
        (Some(times), Some(ratio)) => is_written(times.trim_end_matches('×'), 1.0, ratio),
        (None, None) => !is_disturbed,
        _ => false,
    };
    (!holds).then(|| format!("it is {ratio:?} times the limit, disturbed: {is_disturbed}"))
}

/// The word by which seaworthy stands beside that variant, if both were measured undisturbed.
fn standing(raw: &Value, scenario: &str, variant: &str, metric: &str) -> Option<&'static str> {
    let [ours, theirs] = [OURS, variant].map(|variant| values(raw, scenario, variant, metric));
    if ours.1 || theirs.1 {
        return None;
    }
    let (ours, theirs) = (ours.0, theirs.0);
    let below = ours.last()? < theirs.first()?;
    let above = ours.first()? > theirs.last()?;
    let less_is_better = metric != "RequestsPerSecond";
    Some(match ours.len().min(theirs.len()) {
        rounds if rounds < ENOUGH_ROUNDS => "too few rounds beside",
        _ if !below && !above => "level with",
        _ if below == less_is_better => "ahead of",
        _ => "behind",
    })
}

/// `ahead of axum, hyper; level with khttp`, or `level with all`.
fn in_words(standings: &[(&str, &str)]) -> String {
    let of = |word: &&str| {
        let names: Vec<&str> = standings
            .iter()
            .filter(|(_, standing)| standing == word)
            .map(|(variant, _)| *variant)
            .collect();
        match names.len() {
            0 => None,
            count if count > 1 && count == standings.len() => Some(format!("{word} all")),
            _ => Some(format!("{word} {}", names.join(", "))),
        }
    };
    let words = ["ahead of", "level with", "behind", "too few rounds beside"];
    words.iter().filter_map(of).collect::<Vec<_>>().join("; ")
}

#[test]
fn each_number_that_the_readme_quotes_of_the_benchmark_was_measured() {
    let (written, _) = sections();
    let raw = raw();
    let rows = rows(&written);
    let variants = &rows[0][1..rows[0].len() - 1];
    assert!(variants.contains(&OURS) && rows.len() > 8, "{rows:?}");
    let mut wrong = Vec::new();
    for row in &rows[1..] {
        let (metric, scenario) = subject(row[0]);
        for (variant, cell) in variants.iter().zip(&row[1..]) {
            if let Some(problem) = wrong_in_cell(&raw, cell, scenario, variant, metric) {
                wrong.push(format!("{}, {variant}: {cell:?}, but {problem}", row[0]));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "`bench report` writes it anew:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn nobody_is_ahead_in_the_readme_by_too_few_rounds_or_by_spreads_that_overlap() {
    let (written, _) = sections();
    let raw = raw();
    let rows = rows(&written);
    let variants = &rows[0][1..rows[0].len() - 1];
    for row in &rows[1..] {
        let (metric, scenario) = subject(row[0]);
        let others = variants
            .iter()
            .filter(|variant| ![OURS, LIMIT].contains(variant));
        let standings: Vec<(&str, &str)> = others
            .filter_map(|variant| Some((*variant, standing(&raw, scenario, variant, metric)?)))
            .collect();
        assert_eq!(row.last(), Some(&&*in_words(&standings)), "{}", row[0]);
    }
}

#[test]
fn the_readme_says_when_and_how_often_the_benchmark_was_measured() {
    let written = sections().0.replace('\n', " ");
    let raw = raw();
    let started = raw["started"].as_str().expect("a date");
    let run = format!("run of {} rounds of {} s", raw["rounds"], raw["seconds"]);
    assert!(
        written.contains(started) && written.contains(&run),
        "{started}, {run}:\n{written}"
    );
}

#[test]
fn no_number_of_the_benchmark_stands_in_the_readme_where_nothing_holds_it() {
    let (_, by_hand) = sections();
    let units = ["µs", "ms", "s", "MiB", "KiB", "%", "times", "×", "requests"];
    let words: Vec<&str> = by_hand.split_whitespace().collect();
    let is_number = |word: &str| word.starts_with(|first: char| first.is_ascii_digit());
    let measured = words.windows(2).find(|pair| {
        let unit =
            pair[1].trim_end_matches(|last: char| last.is_ascii_punctuation() && last != '%');
        is_number(pair[0]) && units.contains(&unit)
    });
    assert_eq!(
        measured, None,
        "numbers go between the marks, by `bench report`"
    );
}
