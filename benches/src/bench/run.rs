//! A run: rounds in which every scenario meets every variant.

use std::path::Path;
use std::time::Duration;

use crate::again::{self, Budget};
use crate::cgroup::Hierarchy;
use crate::load;
use crate::machine::{self, Watch};
use crate::measure::{Bench, Measured};
use crate::options::Options;
use crate::progress::{self, Progress};
use crate::results::{Results, Sample};
use crate::scenario::{IDLE_CONNECTIONS, Scenario};
use crate::stats::Chance;
use crate::variant::{self, OURS, Variant};

/// Builds what is missing, checks that all answer alike, and measures. What there is after each round
/// is handed to `keep`, for a run takes hours and may be ended.
pub fn run(options: &Options, builds: &Path, keep: impl Fn(&Results) -> Result<(), String>) -> Result<Results, String> {
    for (tool, option) in [("wrk", "--version"), ("oha", "--version")] {
        if machine::first_line(tool, &[option]).is_empty() {
            return Err(format!("{tool} is not found: see benches/README.md for how to get it"));
        }
    }
    let mut missing = if options.build { variant::build(builds) } else { Vec::new() };
    let mut variants = variant::select(&options.variants, builds)?;
    for variant in &mut variants {
        variant.env.extend(options.env.iter().cloned());
    }

    let descriptors = machine::raise_descriptor_limit();
    let cgroups = Hierarchy::find();
    if !cgroups.can_limit() {
        missing.push("no right to make control groups: quotas are left out, and CPU time is the process's".into());
    }
    let scenarios: Vec<&Scenario> =
        options.scenarios.iter().copied().filter(|scenario| scenario.quota.is_none() || cgroups.can_limit()).collect();

    variants.retain(|variant| match variant::check(variant, &cgroups) {
        Ok(()) => true,
        Err(problem) => {
            missing.push(problem);
            false
        }
    });
    missing.iter().for_each(|problem| eprintln!("{problem}"));

    let bench = Bench {
        cgroups: &cgroups,
        builds,
        time: options.time(),
        idle_connections: IDLE_CONNECTIONS.min(descriptors.saturating_sub(200) as usize),
    };
    let mut results = Results {
        started: machine::first_line("date", &["-u", "+%F %R UTC"]),
        machine: machine::describe(cgroups.name()),
        rounds: 0,
        seconds: options.seconds,
        idle_connections: bench.idle_connections,
        subject: subject(&variants),
        missing,
        samples: Vec::new(),
    };
    let planned = plan(&scenarios, &variants);
    let budget = Budget::new(options.again, planned.len() * options.rounds as usize);
    measure_all(&bench, &planned, options.rounds, budget, |samples| {
        results.samples.extend(samples);
        results.rounds += 1;
        keep(&results)
    })?;
    Ok(results)
}

fn subject(variants: &[Variant]) -> Option<String> {
    let has_ours = variants.iter().any(|variant| variant.name == OURS);
    variants.last().filter(|_| !has_ours).map(|last| last.name.clone())
}

/// How long the measuring takes on a quiet machine, and how many measurements that is.
pub fn estimate(options: &Options, builds: &Path) -> Result<String, String> {
    let variants = variant::select(&options.variants, builds)?;
    let planned = plan(&options.scenarios, &variants);
    let once: Duration = planned.iter().map(|(scenario, _)| scenario.estimate(options.time())).sum();
    Ok(format!(
        "{} measurements: {} where nothing disturbs them, and at most half of that besides",
        planned.len() * options.rounds as usize,
        progress::in_words(once * options.rounds),
    ))
}

/// Who meets whom in a round.
fn plan<'a>(scenarios: &[&'a Scenario], variants: &'a [Variant]) -> Vec<(&'a Scenario, &'a Variant)> {
    let pairs = scenarios.iter().flat_map(|scenario| variants.iter().map(|variant| (*scenario, variant)));
    pairs.filter(|(scenario, variant)| variant::cannot(&variant.name, scenario.name).is_none()).collect()
}

/// Round by round, so that whatever changes on the machine meets all alike, and in a new order
/// each time, so that nobody always comes after the same one.
fn measure_all(
    bench: &Bench,
    planned: &[(&Scenario, &Variant)],
    rounds: u32,
    mut budget: Budget,
    mut keep: impl FnMut(Vec<Sample>) -> Result<(), String>,
) -> Result<(), String> {
    let once: Duration = planned.iter().map(|(scenario, _)| scenario.estimate(bench.time)).sum();
    let mut progress = Progress::new(once * rounds);
    let mut chance = Chance::new(std::process::id().into());
    for round in 1..=rounds {
        let mut of_round = Vec::new();
        for of_scenario in planned.chunk_by(|one, other| one.0.name == other.0.name) {
            let mut order = of_scenario.to_vec();
            chance.shuffle(&mut order);
            for (scenario, variant) in order {
                progress.show(&format!("round {round} of {rounds}: {}, {}", scenario.name, variant.name));
                of_round.extend(measure(bench, scenario, variant, round, &progress));
                progress.advance(scenario.estimate(bench.time));
            }
        }
        again::settle(&mut of_round, &mut budget, |sample| {
            let is_this = |(scenario, variant): &&(&Scenario, &Variant)| {
                scenario.name == sample.scenario && variant.name == sample.variant
            };
            let (scenario, variant) = planned.iter().find(is_this)?;
            progress.show(&format!("round {round} of {rounds}, again: {}, {}", scenario.name, variant.name));
            measure(bench, scenario, variant, round, &progress)
        });
        keep(of_round)?;
    }
    load::clean_up();
    progress.finish();
    Ok(())
}

/// Nothing where the variant has nothing to measure there, as a binary from elsewhere has no static one beside it.
fn measure(bench: &Bench, scenario: &Scenario, variant: &Variant, round: u32, progress: &Progress) -> Option<Sample> {
    let watch = Watch::start();
    let measured = bench.measure(scenario, variant);
    let mut disturbance = watch.stop();
    let Measured { mut values, note, generator } = match measured {
        Ok(measured) if measured.values.is_empty() => return None,
        Ok(measured) => measured,
        Err(error) => Measured { note: error.to_string(), ..Measured::default() },
    };
    disturbance.generator = generator;
    values.retain(|_, value| value.is_finite());
    if !note.is_empty() {
        progress.note(&format!("{}, {}: {note}", scenario.name, variant.name));
    }
    let (scenario, variant) = (scenario.name.into(), variant.name.clone());
    Some(Sample { scenario, variant, round, values, note, disturbance, attempts: 1 })
}
