//! The command line, and what a process does once: signals, configuration, logger, exit code.

mod print_config;
mod probe;
mod running;

use crate::{
    config::{
        limits::{self, Limits},
        settings::Settings,
        table::Config,
    },
    lifecycle::{control::Control, drain_report::DrainReport, signals},
    observe::{
        logging, panics,
        trace::{environment::Environment, export, server::Tracer},
    },
};
use probe::Probe;
use std::{
    env, error::Error, fmt, io, io::Write, path::Path, process::ExitCode, sync::Arc, time::Duration,
};

/// What `--help` and `--version` say of the program.
#[derive(Clone, Copy)]
pub(crate) struct About {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) about: &'static str,
}

/// Exit codes beside those of a drain; `sysexits.h` has the names.
const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 1;
const CONFIG: u8 = 78;

/// How long the log's last records may take to be written. Half of what background services leave of the margin that
/// `TERMINATION_GRACE_PERIOD` must leave; the rest is for a CPU quota that is used up.
const LAST_RECORDS: Duration = Duration::from_millis(500);

const TERMINATION_LOG: &str = "/dev/termination-log";

/// Why a program cannot serve as it is configured, within an `io::Error`: exit code 78.
#[derive(Debug)]
pub(crate) struct Misconfigured(pub(crate) String);

impl fmt::Display for Misconfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Misconfigured {}

/// What a program does beside what every program on this library does.
pub(crate) trait Execute {
    /// Serves until told to stop.
    ///
    /// # Errors
    /// Where it cannot begin to.
    fn serve(
        self: Box<Self>,
        config: &Config,
        limits: &Limits,
        settings: Settings,
        control: &Arc<Control>,
        tracer: Tracer,
    ) -> io::Result<DrainReport>;

    /// The words beside `serve`.
    fn subcommands(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Does what one of them asks for.
    ///
    /// # Errors
    /// Why that failed.
    fn subcommand(self: Box<Self>, name: &str) -> Result<(), String> {
        Err(unknown(name))
    }
}

/// What the words after the program's name ask for.
enum Command {
    Serve,
    Probe(Probe),
    Config,
    Help,
    Version,
    Own(&'static str),
}

/// Whether this is a word that every program has.
pub(crate) fn is_own_word(word: &str) -> bool {
    word.starts_with('-') || ["serve", "probe", "config", "help"].contains(&word)
}

impl Command {
    fn read(words: &[String], subcommands: &[&'static str]) -> Result<Command, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [] | ["serve"] => Ok(Command::Serve),
            ["probe"] => Ok(Command::Probe(Probe::Live)),
            ["probe", which] => Probe::named(which)
                .map(Command::Probe)
                .ok_or_else(|| unknown(which)),
            ["config"] => Ok(Command::Config),
            ["--help" | "-h" | "help"] => Ok(Command::Help),
            ["--version" | "-V"] => Ok(Command::Version),
            [word] if subcommands.contains(&word) => {
                let known = subcommands.iter().find(|known| **known == word);
                known
                    .map(|known| Command::Own(known))
                    .ok_or_else(|| unknown(word))
            }
            ["serve" | "config", extra, ..] | ["probe", _, extra, ..] | [extra, ..] => {
                Err(unknown(extra))
            }
        }
    }
}

fn unknown(word: &str) -> String {
    format!("{word:?} is not known; try --help")
}

/// Does what the command line asks for.
pub(crate) fn run(about: &About, settings: Settings, program: Box<dyn Execute>) -> ExitCode {
    let subcommands = program.subcommands();
    let words: Vec<String> = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let code = match Command::read(&words, &subcommands) {
        Ok(Command::Serve) => run_service(about, settings, program),
        Ok(Command::Own(name)) => run_subcommand(about, settings, program, name),
        Ok(Command::Probe(which)) => run_probe(settings, which),
        Ok(Command::Config) => print_config(settings),
        Ok(Command::Help) => print(&help(about, &subcommands)),
        Ok(Command::Version) => print(&format!("{} {}\n", about.name, about.version)),
        Err(problem) => {
            complain(about, &problem);
            USAGE
        }
    };
    ExitCode::from(code)
}

fn run_service(about: &About, mut settings: Settings, program: Box<dyn Execute>) -> u8 {
    // Signals first of all: from here on none is lost.
    let hooked = match signals::hook() {
        Ok(hooked) => hooked,
        Err(error) => {
            complain(about, &format!("signals cannot be hooked: {error}"));
            return UNAVAILABLE;
        }
    };
    let control = Control::new(Some(Box::new(|control| hooked.obey(control))));
    let (config, limits) = match prepare(about, &mut settings) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    let tracer = start_tracing(about, &mut settings);
    let code = match program.serve(&config, &limits, settings, &control, tracer) {
        Ok(report) => {
            report.write_termination_log(Path::new(TERMINATION_LOG));
            // Threads that nothing can end may still have something to say.
            logging::close_to_others();
            report.log();
            report.ending.exit_code()
        }
        Err(error) => {
            log::error!(reason:% = error; "start-up failed");
            complain(about, &error.to_string());
            match error
                .get_ref()
                .is_some_and(|inner| inner.is::<Misconfigured>())
            {
                true => CONFIG,
                false => UNAVAILABLE,
            }
        }
    };
    logging::flush(LAST_RECORDS);
    code
}

/// Runs a command of the program's own, such as a migration.
fn run_subcommand(
    about: &About,
    mut settings: Settings,
    program: Box<dyn Execute>,
    name: &'static str,
) -> u8 {
    if let Err(code) = prepare(about, &mut settings) {
        return code;
    }
    logging::start_writer();
    let result = panics::catch(|| program.subcommand(name))
        .unwrap_or_else(|panicked| Err(format!("panicked: {panicked}")));
    let code = match result {
        Ok(()) => {
            log::info!(command = name; "done");
            0
        }
        Err(reason) => {
            log::error!(command = name, reason = reason.as_str(); "failed");
            UNAVAILABLE
        }
    };
    logging::flush(LAST_RECORDS);
    code
}

/// Reads the configuration and installs logger and panic hook. Where the configuration is bad, every bad setting is on
/// stderr, and the error is the exit code.
fn prepare(about: &About, settings: &mut Settings) -> Result<(Config, Limits), u8> {
    limits::raise_descriptor_limit();
    let limits = Limits::read();
    let config = Config::from_settings(settings, &limits);
    if let Err(errors) = settings.finish() {
        errors.lines().iter().for_each(|line| complain(about, line));
        return Err(CONFIG);
    }
    if logging::install(config.log_level, config.log_format).is_err() {
        complain(
            about,
            "another logger is installed already; seaworthy logs through that one",
        );
    }
    panics::install_hook();
    Ok((config, limits))
}

/// Has spans exported where the environment names a collector. Whatever it says, the service starts.
fn start_tracing(about: &About, settings: &mut Settings) -> Tracer {
    let environment = Environment::read(settings);
    for warning in &environment.warnings {
        log::warn!("{warning}");
    }
    let exporting = environment.exporting.as_ref();
    let started = exporting.map(|settings| export::start(settings, about.name, about.version));
    if let Some(Err(error)) = &started {
        log::warn!(reason:% = error; "spans are not exported: there is no thread for it");
    }
    Tracer {
        sampling: matches!(started, Some(Ok(()))).then_some(environment.sampling),
        propagates: environment.propagates,
    }
}

fn run_probe(mut settings: Settings, which: Probe) -> u8 {
    let config = Config::from_settings(&mut settings, &Limits::read());
    match probe::ask(config.host, config.port, which, probe::DEFAULT_TIMEOUT) {
        Ok(()) => 0,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "{problem}");
            UNAVAILABLE
        }
    }
}

fn print_config(mut settings: Settings) -> u8 {
    limits::raise_descriptor_limit();
    let config = Config::from_settings(&mut settings, &Limits::read());
    Environment::read(&mut settings);
    let _ = print_config::print(&settings, &mut io::stdout().lock());
    if let Some((address, running)) = running::ask(&config) {
        let _ = running::print(&settings, address, &running, &mut io::stdout().lock());
    }
    match settings.finish() {
        Ok(()) => 0,
        Err(errors) => {
            for line in errors.lines() {
                let _ = writeln!(io::stderr(), "{line}");
            }
            CONFIG
        }
    }
}

fn help(about: &About, subcommands: &[&str]) -> String {
    let About {
        name,
        version,
        about,
    } = about;
    let own: String = subcommands
        .iter()
        .map(|word| format!("  {name} {word}\n"))
        .collect();
    format!(
        "{name} {version}: {about}\n\n\
         Usage:\n  \
           {name} [serve]                       serve until SIGTERM, SIGQUIT or SIGINT, then drain\n  \
           {name} probe [live|ready|startup]    ask the local server's probe endpoint, live by default; exit 0 or 1\n  \
           {name} config                        print the effective configuration and its sources, and what runs\n\
         {own}  \
           {name} --help | --version\n\n\
         Configuration is read from the environment; `{name} config` names every setting.\n"
    )
}

/// To a closed stdout nothing can be said, and nothing is.
fn print(text: &str) -> u8 {
    let _ = io::stdout().write_all(text.as_bytes());
    0
}

fn complain(about: &About, problem: &str) {
    let _ = writeln!(io::stderr(), "{}: {problem}", about.name);
}
