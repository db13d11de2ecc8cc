//! Measures seaworthy beside async and other synchronous servers, on this machine.

mod cgroup;
mod chart;
mod client;
mod goals;
mod load;
mod machine;
mod measure;
mod metric;
mod options;
mod progress;
mod report;
mod results;
mod scenario;
mod server;
mod stats;
mod trace;
mod variant;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use cgroup::Hierarchy;
use machine::Watch;
use measure::{Bench, Measured};
use options::{Command, Options};
use progress::Progress;
use results::{Results, Sample};
use scenario::{IDLE_CONNECTIONS, Scenario};
use variant::Variant;

fn main() -> ExitCode {
    let done = options::parse(std::env::args().skip(1)).and_then(|options| match options.command {
        Command::Help => {
            print!("{}", options::HELP);
            Ok(())
        }
        Command::List => {
            for scenario in &scenario::SCENARIOS {
                println!("{:16} {}", scenario.name, scenario.about);
            }
            Ok(())
        }
        Command::Report => write(&read(&report_directory(&options)?)?, &report_directory(&options)?),
        Command::Run => write(&run(&options)?, &report_directory(&options)?),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<Results, String> {
    for (tool, option) in [("wrk", "--version"), ("oha", "--version")] {
        if machine::first_line(tool, &[option]).is_empty() {
            return Err(format!("{tool} is not found: see benches/README.md for how to get it"));
        }
    }
    let builds = builds()?;
    let mut missing = if options.build { variant::build(&builds) } else { Vec::new() };
    let mut variants = variant::select(&options.variants, &builds)?;
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
        builds: &builds,
        time: Duration::from_secs(options.seconds),
        idle_connections: IDLE_CONNECTIONS.min(descriptors.saturating_sub(200) as usize),
    };
    Ok(Results {
        started: machine::first_line("date", &["-u", "+%F %R UTC"]),
        machine: machine::describe(cgroups.name()),
        rounds: options.rounds,
        seconds: options.seconds,
        idle_connections: bench.idle_connections,
        missing,
        samples: measure_all(&bench, &scenarios, &variants, options.rounds),
    })
}

/// Round by round, so that whatever changes on the machine meets all alike, and in a new order
/// each time, so that nobody always comes after the same one.
fn measure_all(bench: &Bench, scenarios: &[&Scenario], variants: &[Variant], rounds: u32) -> Vec<Sample> {
    let once = |scenario: &&Scenario| scenario.estimate(bench.time) * variants.len() as u32;
    let mut progress = Progress::new(scenarios.iter().map(once).sum::<Duration>() * rounds);
    let mut chance = stats::Chance::new(std::process::id().into());
    let mut order: Vec<&Variant> = variants.iter().collect();
    let mut samples = Vec::new();
    for round in 1..=rounds {
        for scenario in scenarios {
            chance.shuffle(&mut order);
            for variant in &order {
                progress.show(&format!("round {round} of {rounds}: {}, {}", scenario.name, variant.name));
                samples.extend(measure(bench, scenario, variant, round, &progress));
                progress.advance(scenario.estimate(bench.time));
            }
        }
    }
    load::clean_up();
    progress.finish();
    samples
}

/// Nothing where the variant has nothing to measure there, as a binary from elsewhere has no static one beside it.
fn measure(bench: &Bench, scenario: &Scenario, variant: &Variant, round: u32, progress: &Progress) -> Option<Sample> {
    let watch = Watch::start();
    let measured = bench.measure(scenario, variant);
    let disturbance = watch.stop();
    let Measured { mut values, note } = match measured {
        Ok(measured) if measured.values.is_empty() => return None,
        Ok(measured) => measured,
        Err(error) => Measured { note: error.to_string(), ..Measured::default() },
    };
    values.retain(|_, value| value.is_finite());
    if !note.is_empty() {
        progress.note(&format!("{}, {}: {note}", scenario.name, variant.name));
    }
    let (scenario, variant) = (scenario.name.into(), variant.name.clone());
    Some(Sample { scenario, variant, round, values, note, disturbance })
}

/// Where cargo put this program, and puts the variants.
fn builds() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(program.parent().expect("a file is in a directory").to_path_buf())
}

/// A part of the scenarios must not overwrite the report of all.
fn report_directory(options: &Options) -> Result<PathBuf, String> {
    match &options.out {
        Some(out) => Ok(out.clone()),
        None if options.whole || options.command == Command::Report => {
            Ok(concat!(env!("CARGO_MANIFEST_DIR"), "/report").into())
        }
        None => Ok(builds()?.with_file_name("bench-report")),
    }
}

fn read(out: &Path) -> Result<Results, String> {
    let path = out.join("raw.json");
    let raw = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&raw).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(results: &Results, out: &Path) -> Result<(), String> {
    let written = || -> io::Result<()> {
        fs::create_dir_all(out)?;
        fs::write(out.join("raw.json"), serde_json::to_string_pretty(results)? + "\n")?;
        for (name, svg) in report::charts(results) {
            fs::write(out.join(name), svg)?;
        }
        fs::write(out.join("README.md"), report::markdown(results))
    };
    written().map_err(|error| format!("{}: {error}", out.display()))?;
    print!("{}", report::short(results));
    println!("the report is {}", out.join("README.md").display());
    Ok(())
}
