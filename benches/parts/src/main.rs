//! How many instructions each part takes, counted by valgrind: the same on a noisy machine as on a quiet one.
//!
//! Each part runs N times and 2 N times, and the difference by N is what one takes; start and preparation are in both.
//! With `--record` the counts are written to `instructions.txt`, beside the compiler that made them. Without, they are
//! compared with what is written there, and one that has grown by more than a twentieth is an error; by more than a
//! fiftieth for the whole road of a greeting, on which metrics and traces lie too, and of which the least of several counts
//! is taken, for threads take turns at it. An error is also a comparison of tokens that takes more or less for a token that is nearly right.

use std::{
    collections::BTreeSet,
    env,
    error::Error,
    fmt::Write as _,
    fs,
    process::{Command, ExitCode},
};

use parts::{PARTS, WHOLE_ROAD};

const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

/// Enough that what happens once a second, such as a new date, is nothing.
const TIMES: u64 = 20_000;

/// Growth that is an error, in percent. Another compiler moves counts by some of it.
const TOLERATED: f64 = 5.0;
const TOLERATED_OF_THE_ROAD: f64 = 2.0;

/// How often the whole road is counted.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["run", part, times] => run(part, times),
        [] => compare(),
        ["--record"] => record(),
        _ => Err("instructions [--record]".into()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Under valgrind.
fn run(part: &str, times: &str) -> Result<ExitCode, Box<dyn Error>> {
    let (_, prepare) = PARTS.iter().find(|(name, _)| *name == part).ok_or("no such part")?;
    let mut once = prepare();
    (0..times.parse::<u64>()?).for_each(|_| once());
    Ok(ExitCode::SUCCESS)
}

fn compare() -> Result<ExitCode, Box<dyn Error>> {
    let recorded = fs::read_to_string(RECORDED)?;
    let mut has_grown = false;
    let mut of_tokens = BTreeSet::new();
    println!("{:<22} {:>12} {:>10}", "part", "instructions", "recorded");
    for (part, _) in PARTS {
        let now = count(part)?;
        of_tokens.extend(part.starts_with("token").then_some(now));
        let before = recorded
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .find(|(name, _)| name.trim_end() == part)
            .and_then(|(_, count)| count.parse::<u64>().ok());
        let growth = before.map(|before| (now as f64 / before as f64 - 1.0) * 100.0);
        let tolerated = match part.starts_with(WHOLE_ROAD) {
            true => TOLERATED_OF_THE_ROAD,
            false => TOLERATED,
        };
        let grown = growth.is_none_or(|growth| growth > tolerated);
        has_grown |= grown;
        let before = before.map_or("none".to_owned(), |before| before.to_string());
        let growth = growth.map(|growth| format!("{growth:+.1} %")).unwrap_or_default();
        let mark = if grown { "  grown" } else { "" };
        println!("{part:<22} {now:>12} {before:>10} {growth:>9}{mark}");
    }
    if has_grown {
        return Err(
            format!("grown beyond what is tolerated above {RECORDED}; where that is meant, record it anew").into()
        );
    }
    if of_tokens.len() != 1 {
        return Err(format!("the comparison tells by its time what of a token is right: {of_tokens:?}").into());
    }
    Ok(ExitCode::SUCCESS)
}

fn record() -> Result<ExitCode, Box<dyn Error>> {
    let mut text = compiler()?;
    for (part, _) in PARTS {
        writeln!(text, "{part:<22} {}", count(part)?)?;
    }
    fs::write(RECORDED, &text)?;
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

/// What the counts hold for, as the first line of what is recorded.
fn compiler() -> Result<String, Box<dyn Error>> {
    let rustc = Command::new("rustc").arg("--version").output()?.stdout;
    Ok(format!("# {}, {}\n", String::from_utf8(rustc)?.trim(), env::consts::ARCH))
}

/// The instructions that doing it once takes.
fn count(part: &str) -> Result<u64, Box<dyn Error>> {
    let rounds = if part.starts_with(WHOLE_ROAD) { ROUNDS } else { 1 };
    let mut least = u64::MAX;
    for _ in 0..rounds {
        let (once, twice) = (total(part, TIMES)?, total(part, 2 * TIMES)?);
        least = least.min((twice - once + TIMES / 2) / TIMES);
    }
    Ok(least)
}

/// The instructions of a whole run.
fn total(part: &str, times: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["run", part, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run (apt install valgrind): {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.ok_or_else(|| format!("valgrind counted nothing: {report}"))?;
    Ok(count.trim().parse()?)
}
