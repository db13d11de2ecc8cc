//! A program that knows its settings before it opens anything, and may have commands beside `serve`.

use super::Service;
use crate::{
    command::{self, About, Execute},
    config::{limits::Limits, settings::Settings, table::Config},
    lifecycle::{control::Control, drain_report::DrainReport, task::TaskResult},
    message::error::Error,
    observe::trace::server::Tracer,
};
use std::{io, process::ExitCode, sync::Arc};

/// A program that [`Service::build`] began: its settings are read, and nothing is opened yet.
///
/// ```no_run
/// use seaworthy::{Error, Request, Secret, Service, Settings};
/// use std::{net::TcpStream, process::ExitCode, sync::Mutex};
///
/// struct Conf { queue: String }
/// struct App { queue: Mutex<TcpStream> }
///
/// fn main() -> ExitCode {
///     Service::build("shop", |settings: &mut Settings| Conf {
///         queue: settings.text("QUEUE", "queue:5672"),
///     })
///     .command("check-queue", |conf: Conf| TcpStream::connect(conf.queue).map(drop))
///     .open(|conf: Conf| {
///         let queue = Mutex::new(TcpStream::connect(conf.queue)?);
///         Ok(Service::with_state("shop", App { queue }).get("/", |_: &Request, _: &App| "hello"))
///     })
///     .run()
/// }
/// ```
pub struct Program<C> {
    about: About,
    settings: Settings,
    conf: C,
    commands: Vec<Subcommand<C>>,
}

struct Subcommand<C> {
    name: &'static str,
    run: Box<dyn FnOnce(C) -> Result<(), String>>,
}

impl Service {
    /// A program whose settings are known before anything is opened, so that `config`, `probe`, `--help` and a command
    /// of its own need no database; see [`Program`].
    #[must_use]
    pub fn build<C: 'static>(
        name: &'static str,
        read: impl FnOnce(&mut Settings) -> C,
    ) -> Program<C> {
        Program::new(name, read)
    }
}

impl<C: 'static> Program<C> {
    fn new(name: &'static str, read: impl FnOnce(&mut Settings) -> C) -> Program<C> {
        let mut settings = Settings::from_env();
        let conf = read(&mut settings);
        Program {
            about: About {
                name,
                version: "unversioned",
                about: "an HTTP service",
            },
            settings,
            conf,
            commands: Vec::new(),
        }
    }

    /// The version that `--version` and `/version` tell, usually `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Program<C> {
        self.about.version = version;
        self
    }

    /// One line for `--help`.
    #[must_use]
    pub fn about(mut self, about: &'static str) -> Program<C> {
        self.about.about = about;
        self
    }

    /// A word beside `serve`, such as `migrate` for a Job before a rollout. It runs on the main thread, after all
    /// settings were found good and the logger was installed, with SIGTERM's default action. It exits 0, or 1 where it
    /// returns an error or panics, which the log has.
    ///
    /// # Panics
    /// Where the word is taken.
    #[must_use]
    #[track_caller]
    pub fn command<R: TaskResult>(
        mut self,
        name: &'static str,
        run: impl FnOnce(C) -> R + 'static,
    ) -> Program<C> {
        let is_taken = self.commands.iter().any(|known| known.name == name);
        assert!(
            !is_taken && !command::is_own_word(name),
            "there is a command {name:?} already"
        );
        let run = Box::new(move |conf| run(conf).into_result());
        self.commands.push(Subcommand { name, run });
        self
    }

    /// Says what to serve. `open` runs for serving only, on the main thread, after all settings were found good, and
    /// before anything is bound; an error of it ends the process with exit code 1, its cause in the log, and a signal
    /// meanwhile with 0. The service's name, version and line for `--help` are the program's.
    #[must_use]
    pub fn open<S: Send + Sync + 'static>(
        self,
        open: impl FnOnce(C) -> Result<Service<S>, Error> + 'static,
    ) -> Runnable {
        let Program {
            about,
            settings,
            conf,
            commands,
        } = self;
        let open = Box::new(open);
        Runnable {
            about,
            settings,
            program: Box::new(Opening {
                about,
                conf,
                commands,
                open,
            }),
        }
    }
}

/// A program that is complete: see [`Program::open`].
pub struct Runnable {
    about: About,
    settings: Settings,
    program: Box<dyn Execute>,
}

impl Runnable {
    /// Does what the command line asks for; see [`Service::run`].
    #[must_use = "the exit code tells Kubernetes how it went: return it from main"]
    pub fn run(self) -> ExitCode {
        command::run(&self.about, self.settings, self.program)
    }
}

/// What is to be opened, or done instead.
struct Opening<C, S> {
    about: About,
    conf: C,
    commands: Vec<Subcommand<C>>,
    open: Box<dyn FnOnce(C) -> Result<Service<S>, Error>>,
}

impl<C, S: Send + Sync + 'static> Execute for Opening<C, S> {
    fn serve(
        self: Box<Self>,
        config: &Config,
        limits: &Limits,
        settings: Settings,
        control: &Arc<Control>,
        tracer: Tracer,
    ) -> io::Result<DrainReport> {
        let Opening {
            about, conf, open, ..
        } = *self;
        let service = control.opening(|| open(conf))?;
        let service = service.map_err(|error| io::Error::other(format!("{error:?}")))?;
        let About {
            name,
            version,
            about,
        } = about;
        let service = Box::new(Service {
            name,
            version,
            about,
            ..service
        });
        service.serve(config, limits, settings, control, tracer)
    }

    fn subcommands(&self) -> Vec<&'static str> {
        self.commands.iter().map(|command| command.name).collect()
    }

    fn subcommand(self: Box<Self>, name: &str) -> Result<(), String> {
        let mut commands = self.commands.into_iter();
        let command = commands.find(|command| command.name == name);
        let command = command.ok_or_else(|| format!("there is no command {name:?}"))?;
        (command.run)(self.conf)
    }
}
