//! Measures seaworthy beside async and other synchronous servers, on this machine.

mod again;
mod cgroup;
mod chart;
mod client;
mod crowd;
mod goals;
mod load;
mod machine;
mod measure;
mod metric;
mod options;
mod pictures;
mod progress;
mod readme;
mod report;
mod results;
mod run;
mod scenario;
mod server;
mod stats;
mod streams;
mod trace;
mod variant;
mod verdict;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use options::{Command, Options};
use results::Results;

/// The report of all, from which the README's section is written.
const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/report");
const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

fn main() -> ExitCode {
    let done = options::parse(std::env::args().skip(1)).and_then(|options| obey(&options));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn obey(options: &Options) -> Result<(), String> {
    match options.command {
        Command::Help => print!("{}", options::HELP),
        Command::List => {
            for scenario in &scenario::SCENARIOS {
                println!("{:16} {}", scenario.name, scenario.about);
            }
        }
        Command::Estimate => println!("{}", run::estimate(options, &builds()?)?),
        Command::Report => {
            let out = report_directory(options)?;
            report(&read(&out)?, &out)?;
        }
        Command::Run => {
            let (builds, out) = (builds()?, report_directory(options)?);
            let unfinished = builds.with_file_name("bench-unfinished");
            let results = run::run(options, &builds, |results| keep(results, &unfinished))?;
            keep(&results, &out)?;
            report(&results, &out)?;
        }
    }
    Ok(())
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
        None if options.whole || options.command == Command::Report => Ok(REPORT.into()),
        None => Ok(builds()?.with_file_name("bench-report")),
    }
}

fn read(out: &Path) -> Result<Results, String> {
    let path = out.join("raw.json");
    let raw = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_slice(&raw).map_err(|error| format!("{}: {error}", path.display()))
}

fn keep(results: &Results, out: &Path) -> Result<(), String> {
    let kept = || -> io::Result<()> {
        fs::create_dir_all(out)?;
        fs::write(out.join("raw.json"), serde_json::to_string_pretty(results)? + "\n")
    };
    kept().map_err(|error| format!("{}: {error}", out.display()))
}

/// Writes all that is written from `raw.json`.
fn report(results: &Results, out: &Path) -> Result<(), String> {
    let written = || -> io::Result<()> {
        for (name, svg) in pictures::charts(results) {
            match svg {
                Some(svg) => fs::write(out.join(name), svg)?,
                None => remove(&out.join(name))?,
            }
        }
        fs::write(out.join("README.md"), report::markdown(results))
    };
    written().map_err(|error| format!("{}: {error}", out.display()))?;
    print!("{}", report::short(results));
    println!("the report is {}", out.join("README.md").display());
    if is_same(out, Path::new(REPORT)) {
        let before = fs::read_to_string(README).map_err(|error| format!("{README}: {error}"))?;
        let after = readme::replace(&before, &readme::section(results))?;
        fs::write(README, after).map_err(|error| format!("{README}: {error}"))?;
        println!("and the README's section is written from it");
    }
    Ok(())
}

/// What an earlier report drew and this one has nothing for.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}
