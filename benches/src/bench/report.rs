//! The report: charts for a glance, tables for a look, and what to make of them.

use crate::goals::judge_all;
use crate::metric::{Metric, significant};
use crate::pictures;
use crate::results::{Results, Sample};
use crate::scenario::{SCENARIOS, Scenario};
use crate::variant::{self, LIMIT, OURS, is_ours};
use crate::verdict::{self, ENOUGH_ROUNDS, Verdict};

/// After a number of which no round was undisturbed.
const MARK: &str = " †";

pub fn markdown(results: &Results) -> String {
    let mut text = String::from("# Synchronous threads beside async, measured\n\n");
    text += &preface(results);
    text += &goals(results);
    for (file, svg) in pictures::charts(results) {
        if svg.is_some() {
            text += &format!("![{}]({file})\n\n", pictures::title(file));
        }
    }
    text += &format!(
        "## Every scenario\n\n\
         Medians of the undisturbed rounds, with the lowest and the highest in brackets; the best median is bold, the \
         limit's aside. `2.00×` is the ratio to the limit: one thread, one epoll, one `recv` and one `send` a request. \
         Somebody is ahead or behind where both have {ENOUGH_ROUNDS} undisturbed rounds or more and each of the one's \
         lies beyond each of the other's, and level with the rest. † marks what was never undisturbed. `bench list` \
         names the scenarios; each runs by its name.\n\n"
    );
    for scenario in &SCENARIOS {
        text += &table(results, scenario);
    }
    text.trim_end().to_string() + "\n"
}

fn preface(results: &Results) -> String {
    let machine = &results.machine;
    let virtual_machine = if machine.virtual_machine { ", a virtual machine" } else { "" };
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
    text += &again(results);
    if (results.rounds as usize) < ENOUGH_ROUNDS {
        text += &format!(
            "**Too few rounds for verdicts**: from {ENOUGH_ROUNDS} on somebody is ahead, level or behind.\n\n"
        );
    }
    for missing in &results.missing {
        text += &format!("Left out: {missing}.\n\n");
    }
    text
}

/// What was disturbed, and what became of it.
fn again(results: &Results) -> String {
    let taken_again: u32 = results.samples.iter().map(|sample| sample.attempts - 1).sum();
    let disturbed = results.samples.iter().filter(|sample| sample.is_disturbed()).count();
    if taken_again == 0 && disturbed == 0 {
        return String::new();
    }
    format!(
        "**{disturbed} of {} measurements stayed disturbed**, after {taken_again} had been taken again: other processes \
         took more than a tenth of a CPU, the hypervisor withheld more than a fiftieth, or the load generator had no \
         more to give. They have no part in the medians.\n\n",
        results.samples.len()
    )
}

fn goals(results: &Results) -> String {
    let judged = judge_all(results);
    if judged.is_empty() {
        return String::new();
    }
    let mut text = String::from("| goal | measured | bound | |\n|---|---|---|---|\n");
    for goal in judged {
        let reached = match goal.reached {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "too few rounds",
        };
        text += &format!("| {} | {} | {} | {reached} |\n", goal.text, goal.measured, goal.bound);
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
    let variants = results.variants(&variant::names());
    text.extend(variants.into_iter().filter_map(|variant| row(results, scenario, &metrics, variant)));
    text += "\n";
    text += &verdicts(results, scenario, &metrics);
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

/// The row of one that took part, or that could not and says why.
fn row(results: &Results, scenario: &Scenario, metrics: &[Metric], variant: &str) -> Option<String> {
    if let Some(why) = variant::cannot(variant, scenario.name) {
        return Some(format!("| {variant} | *{why}* {}|\n", "| ".repeat(metrics.len() - 1)));
    }
    let takes_part = results.of(scenario.name).any(|sample| sample.variant == variant);
    let cells = || metrics.iter().map(|&metric| cell(results, scenario, variant, metric)).collect::<Vec<_>>();
    takes_part.then(|| format!("| {variant} | {} |\n", cells().join(" | ")))
}

fn cell(results: &Results, scenario: &Scenario, variant: &str, metric: Metric) -> String {
    let Some(shown) = results.shown(scenario.name, variant, metric) else {
        return "–".into();
    };
    let others = results.variants(&[]).into_iter().filter(|name| *name != LIMIT);
    let medians: Vec<f64> =
        others.filter_map(|name| Some(results.summary(scenario.name, name, metric)?.median)).collect();
    let best = match metric.less_is_better() {
        true => medians.iter().copied().fold(f64::INFINITY, f64::min),
        false => medians.iter().copied().fold(0.0, f64::max),
    };
    let summary = shown.summary;
    let alike = medians.iter().all(|median| *median == best);
    let is_best = summary.median == best && !alike && variant != LIMIT && !shown.is_disturbed;
    let middle = metric.format(summary.median);
    let mut text = if is_best { format!("**{middle}**") } else { middle };
    let [min, max] = [summary.min, summary.max].map(|value| metric.format(value));
    if min != max {
        text += &format!(" ({min} – {max})");
    }
    text + &suffix(results, scenario.name, variant, metric)
}

/// The median as it stands in a chart and in the README: with its ratio to the limit.
pub fn number(results: &Results, scenario: &str, variant: &str, metric: Metric) -> String {
    let shown = results.shown(scenario, variant, metric);
    let median = shown.map_or("–".into(), |shown| metric.format(shown.summary.median));
    median + &suffix(results, scenario, variant, metric)
}

fn suffix(results: &Results, scenario: &str, variant: &str, metric: Metric) -> String {
    if results.shown(scenario, variant, metric).is_some_and(|shown| shown.is_disturbed) {
        return MARK.into();
    }
    let times = results.times_the_limit(scenario, variant, metric);
    times.map_or(String::new(), |times| format!(" {}×", significant(times)))
}

/// Where the subject stands by each metric, a line each; nothing where it is neither ahead of nor behind anybody.
fn verdicts(results: &Results, scenario: &Scenario, metrics: &[Metric]) -> String {
    let mut text = String::new();
    for &metric in metrics {
        let told = standing(results, scenario.name, metric);
        if told.iter().any(|(_, verdict)| matches!(verdict, Verdict::Ahead | Verdict::Behind)) {
            text += &format!("- {} by {}: {}\n", results.subject(), metric.title(), verdict::in_words(&told));
        }
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// The verdict beside each other variant; the limit is no other.
pub fn standing<'a>(results: &'a Results, scenario: &str, metric: Metric) -> Vec<(&'a str, Verdict)> {
    let subject = results.subject();
    let is_kin = |name: &str| subject == OURS && is_ours(name);
    let is_other = |name: &&str| *name != LIMIT && *name != subject && !is_kin(name);
    let others = results.taking_part(scenario).into_iter().filter(is_other);
    others.filter_map(|name| Some((name, results.verdict(scenario, name, metric)?))).collect()
}

/// Which rounds to read with care.
fn disturbances(results: &Results, scenario: &Scenario) -> String {
    let disturbed: Vec<&Sample> = results.of(scenario.name).filter(|sample| sample.is_disturbed()).collect();
    if disturbed.is_empty() {
        return String::new();
    }
    let worst = |of: fn(&Sample) -> f64| disturbed.iter().map(|s| of(s)).fold(0.0, f64::max);
    let rounds: Vec<String> =
        disturbed.iter().map(|sample| format!("{}'s round {}", sample.variant, sample.round)).collect();
    format!(
        "Left out as disturbed: {} (at worst others took {:.2} CPUs, {:.2} were withheld, and the load generator took \
         {:.2} of what it could).\n\n",
        rounds.join(", "),
        worst(|sample| sample.disturbance.others),
        worst(|sample| sample.disturbance.stolen),
        worst(|sample| sample.disturbance.generator),
    )
}

/// For the terminal: the first column of each table.
pub fn short(results: &Results) -> String {
    let mut text = String::new();
    for scenario in &SCENARIOS {
        let values = results.of(scenario.name).flat_map(|sample| sample.values.keys());
        let Some(&metric) = values.min() else { continue };
        text += &format!("\n{}: {}\n", metric.title(), scenario.title());
        for variant in results.taking_part(scenario.name) {
            let spread = results.shown(scenario.name, variant, metric).map_or(String::new(), |shown| {
                let [min, max] = [shown.summary.min, shown.summary.max].map(|value| metric.format(value));
                format!("{min} – {max}")
            });
            text += &format!("  {variant:24}{:16}   {spread}\n", number(results, scenario.name, variant, metric));
        }
        let standing = standing(results, scenario.name, metric);
        if !standing.is_empty() {
            text += &format!("  {} is {}\n", results.subject(), verdict::in_words(&standing));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::sample;

    fn disturbed(sample: Sample) -> Sample {
        let mut sample = Sample { note: "odd".into(), round: 2, attempts: 4, ..sample };
        sample.disturbance.others = 1.5;
        sample
    }

    fn greeting(variant: &str, cpu: f64) -> Sample {
        sample("greeting", variant, cpu)
    }

    fn results() -> Results {
        let samples = vec![
            greeting(LIMIT, 5e-6),
            greeting("axum", 10e-6),
            greeting(OURS, 8e-6),
            greeting(OURS, 9e-6),
            disturbed(greeting(OURS, 99e-6)),
            disturbed(greeting("hyper", 1e-6)),
        ];
        Results { samples, ..Results::default() }
    }

    #[test]
    fn the_best_is_bold_and_spread_and_ratio_are_told() {
        let text = markdown(&results());
        assert!(text.contains("| seaworthy | **8.50 µs** (8.00 µs – 9.00 µs) 1.70× |"), "{text}");
        assert!(text.contains("| axum | 10.0 µs 2.00× |"), "{text}");
        assert!(text.contains("| limit | 5.00 µs |"), "{text}");
    }

    #[test]
    fn what_stayed_disturbed_is_said_and_marked_and_does_not_count() {
        let text = markdown(&results());
        assert!(text.contains("**2 of 6 measurements stayed disturbed**, after 6 had been taken again"), "{text}");
        assert!(text.contains("Left out as disturbed: seaworthy's round 2, hyper's round 2"), "{text}");
        assert!(text.contains("| hyper | 1.00 µs † |"), "{text}");
        assert!(text.contains("- seaworthy, round 2: odd"), "{text}");
    }

    #[test]
    fn what_a_variant_cannot_do_is_said_in_the_table() {
        let samples = vec![sample("block", OURS, 1e-6), greeting(LIMIT, 5e-6)];
        let text = markdown(&Results { samples, ..Results::default() });
        assert!(text.contains("| limit | *answers nothing but the greeting* |"), "{text}");
    }

    #[test]
    fn nobody_is_ahead_by_a_round_or_two() {
        let text = markdown(&results());
        assert!(text.contains("**Too few rounds for verdicts**"), "{text}");
        assert!(text.contains("| too few rounds |") && !text.contains("- seaworthy by"), "{text}");
    }

    #[test]
    fn of_two_builds_the_verdict_is_about_the_one_named_last() {
        let rounds = |variant, cpu: f64| (0..ENOUGH_ROUNDS).map(move |_| greeting(variant, cpu));
        let samples = rounds("before", 10e-6).chain(rounds("after", 8e-6)).collect();
        let text = markdown(&Results { samples, subject: Some("after".into()), ..Results::default() });
        assert!(text.contains("- after by CPU per request: ahead of before\n"), "{text}");
    }

    #[test]
    fn by_rounds_enough_somebody_is() {
        let rounds = |variant, cpu: f64| (0..ENOUGH_ROUNDS).map(move |_| greeting(variant, cpu));
        let samples = rounds("axum", 10e-6).chain(rounds(OURS, 8e-6)).chain(rounds("hyper", 8e-6)).collect();
        let text = markdown(&Results { samples, rounds: ENOUGH_ROUNDS as u32, ..Results::default() });
        assert!(text.contains("- seaworthy by CPU per request: ahead of axum; level with hyper\n"), "{text}");
    }
}
