//! What the tests stand on: servers as child processes, strict clients, and where the two meet.
//!
//! Waiting is always for an event (a log record, bytes, a close, a process's end) with [`PATIENCE`] as the bound, so
//! that a slow machine makes a test slower and never wrong. Where the contract states a time, the test measures it
//! and says what margin it leaves.

mod cgroup;
mod client;
mod collector;
mod command;
mod kernel;
mod log;
mod mounted;
mod reactors;
mod resources;
mod response;
mod server;
mod timing;
mod turn;

use std::io::Write;
use std::time::Duration;

pub(crate) use cgroup::Cgroup;
pub(crate) use client::{Broken, Client, get};
pub(crate) use collector::Collector;
pub(crate) use command::{Command, Output};
pub(crate) use kernel::{established, is_all_read};
pub(crate) use mounted::Mounted;
pub(crate) use reactors::{drivers, reactors};
pub(crate) use resources::{Resources, allow_descriptors, threads};
pub(crate) use response::{Framing, Response};
pub(crate) use server::{Exit, Server, Setup, Stdout, free_port, number};
pub(crate) use timing::{Times, Watch, eventually};
pub(crate) use turn::Turn;

use crate::exceptions;

/// How long anything may take that takes next to no time on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The two ways from sockets to requests, by the name that `HTTP_ENGINE` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Native,
    TinyHttp,
}

impl Engine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Native => "native",
            Engine::TinyHttp => "tiny_http",
        }
    }
}

/// Makes each listed function of the module a test for either engine. A word after a name says what it needs:
///
/// - `: alone`, for what measures time or loads the machine: no other test of this binary runs meanwhile;
/// - `: long`, for what takes seconds of that: alone too, and left to `cargo test --test it -- --ignored`.
macro_rules! both_engines {
    ($($case:ident $(: $how:ident)?),* $(,)?) => {
        /// What the exceptions may name.
        pub(crate) const CASES: &[&str] = &[$(stringify!($case)),*];

        mod native {
            $(one_engine!(Native, $case $(, $how)?);)*
        }

        #[cfg(feature = "tiny_http")]
        mod tiny_http {
            $(one_engine!(TinyHttp, $case $(, $how)?);)*
        }
    };
}

macro_rules! one_engine {
    ($engine:ident, $case:ident) => {
        #[test]
        fn $case() {
            run_case!($engine, $case, Turn::together);
        }
    };
    ($engine:ident, $case:ident, alone) => {
        #[test]
        fn $case() {
            run_case!($engine, $case, Turn::alone);
        }
    };
    ($engine:ident, $case:ident, long) => {
        #[test]
        #[ignore = "takes seconds with the machine to itself; run by cargo test --test it -- --ignored"]
        fn $case() {
            run_case!($engine, $case, Turn::alone);
        }
    };
}

macro_rules! run_case {
    ($engine:ident, $case:ident, $turn:path) => {{
        use $crate::support::{Engine, Turn, run};
        run(
            module_path!(),
            stringify!($case),
            Engine::$engine,
            $turn,
            super::$case,
        );
    }};
}

/// Runs one case on one engine, unless it is excepted there.
pub(crate) fn run(module: &str, case: &str, engine: Engine, turn: fn() -> Turn, test: fn(Engine)) {
    // Without the crate and the engine: `it::http::limits::native` is `http::limits`.
    let (_, module) = module.split_once("::").expect("a module of this crate");
    let (module, _) = module.rsplit_once("::").expect("the engine's module");
    let name = format!("{module}::{case}");
    if let Some(reason) = exceptions::reason(engine, &name) {
        note(&format!("{name} skipped for {}: {reason}", engine.name()));
        return;
    }
    let _turn = turn();
    test(engine);
}

/// Says something even though the test passes: the harness captures `println!`, not this.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {text}");
}
