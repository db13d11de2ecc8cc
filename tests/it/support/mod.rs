//! What the tests stand on: servers as child processes, strict clients, and where the two meet.
//!
//! Waiting is always for an event (a log record, bytes, a close, a process's end) with [`PATIENCE`] as the bound, so
//! that a slow machine makes a test slower and never wrong. Where the contract states a time, the test measures it
//! and says what margin it leaves.

mod cgroup;
mod client;
mod collector;
mod command;
mod log;
mod mounted;
mod resources;
mod response;
mod server;
mod timing;

use std::cell::RefCell;
use std::io::Write;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

pub(crate) use cgroup::Cgroup;
pub(crate) use client::{Broken, Client, get};
pub(crate) use collector::Collector;
pub(crate) use command::{Command, Output};
pub(crate) use mounted::Mounted;
pub(crate) use resources::{Resources, allow_descriptors};
pub(crate) use response::{Framing, Response};
pub(crate) use server::{Exit, Server, Setup, Stdout, free_port, number};
pub(crate) use timing::{Times, Watch, eventually};

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

/// Makes each listed function of the module a test for either engine. `: alone` after a name is for what measures
/// time or loads the machine: no other test of this binary runs meanwhile.
macro_rules! both_engines {
    ($($case:ident $(: $how:ident)?),* $(,)?) => {
        /// What the exceptions may name.
        pub(crate) const CASES: &[&str] = &[$(stringify!($case)),*];

        mod native {
            $(#[test]
            fn $case() {
                let alone = !stringify!($($how)?).is_empty();
                $crate::support::run(module_path!(), stringify!($case), $crate::support::Engine::Native, alone, super::$case);
            })*
        }

        #[cfg(feature = "tiny_http")]
        mod tiny_http {
            $(#[test]
            fn $case() {
                let alone = !stringify!($($how)?).is_empty();
                $crate::support::run(module_path!(), stringify!($case), $crate::support::Engine::TinyHttp, alone, super::$case);
            })*
        }
    };
}

/// Runs one case on one engine, unless it is excepted there.
pub(crate) fn run(module: &str, case: &str, engine: Engine, alone: bool, test: fn(Engine)) {
    // Without the crate and the engine: `it::http::limits::native` is `http::limits`.
    let (_, module) = module.split_once("::").expect("a module of this crate");
    let (module, _) = module.rsplit_once("::").expect("the engine's module");
    let name = format!("{module}::{case}");
    if let Some(reason) = exceptions::reason(engine, &name) {
        note(&format!("{name} skipped for {}: {reason}", engine.name()));
        return;
    }
    let _turn = if alone {
        Turn::alone()
    } else {
        Turn::together()
    };
    test(engine);
}

/// Says something even though the test passes: the harness captures `println!`, not this.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "note: {text}");
}

static TURNS: RwLock<()> = RwLock::new(());

thread_local! {
    /// The turn of the test on this thread.
    static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
}

enum Held {
    Together(#[expect(dead_code, reason = "held, not read")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held, not read")] RwLockWriteGuard<'static, ()>),
}

/// The right to run, next to others or alone, until dropped.
pub(crate) struct Turn(());

impl Turn {
    pub(crate) fn together() -> Turn {
        let guard = TURNS.read().unwrap_or_else(|failed| failed.into_inner());
        HELD.set(Some(Held::Together(guard)));
        Turn(())
    }

    pub(crate) fn alone() -> Turn {
        let guard = TURNS.write().unwrap_or_else(|failed| failed.into_inner());
        HELD.set(Some(Held::Alone(guard)));
        Turn(())
    }

    /// From here on this test only waits: nobody needs to wait for it.
    pub(crate) fn give_up() {
        HELD.take();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        Turn::give_up();
    }
}
