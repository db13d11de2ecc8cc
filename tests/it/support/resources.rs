//! What a process holds, as the kernel tells it.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{Engine, PATIENCE, Server};

/// What must be as before when the clients have gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// But for the pool's, which begins them as handlers need them.
    pub(crate) threads: usize,
    pub(crate) descriptors: u64,
    /// Resident, in KiB.
    pub(crate) memory: u64,
}

impl Resources {
    /// What a server holds now; `None` once it is gone.
    fn read(pid: u32) -> Option<Resources> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
        Some(Resources {
            threads: threads(pid, |name| !name.starts_with("worker-")),
            descriptors,
            memory: field("VmRSS:")?,
        })
    }

    /// What this process holds, which is a server and its clients.
    pub(crate) fn own() -> Resources {
        Resources::read(std::process::id()).expect("/proc is mounted")
    }

    /// What a server holds that may be gone.
    pub(crate) fn try_of(server: &Server) -> Option<Resources> {
        Resources::read(server.pid())
    }

    #[track_caller]
    pub(crate) fn of(server: &Server) -> Resources {
        Resources::read(server.pid()).expect("the server is alive and /proc is mounted")
    }

    /// What a server holds after some use: every thread has run, every table has its size.
    pub(crate) fn warm(server: &Server) -> Resources {
        for _ in 0..20 {
            // Where there is room for a few connections only, the one before may not have gone yet.
            super::eventually("there is room", || {
                let mut client = server.client();
                client.get("/").status == 200 && client.get("/bytes/100000").status == 200
            });
        }
        let mut last = Resources::of(server);
        let started = Instant::now();
        // The connections just closed go on the server's time, and tiny_http's spare threads after five seconds.
        while started.elapsed() < Duration::from_millis(300) {
            std::thread::sleep(Duration::from_millis(20));
            let now = Resources::of(server);
            if now.descriptors < last.descriptors {
                last = now;
            }
        }
        last
    }

    /// Asserts that the server comes back to this, but for so many MiB that an allocator may keep.
    #[track_caller]
    pub(crate) fn expect_again(&self, server: &mut Server, engine: Engine, mebibytes: u64) {
        // tiny_http keeps up to four spare threads, and lets others go five seconds after their last use.
        let spare = if engine == Engine::TinyHttp { 4 } else { 0 };
        let started = Instant::now();
        loop {
            assert!(
                server.is_running(),
                "the process is gone; it said {:#?}",
                server.records()
            );
            let now = Resources::of(server);
            let again = now.threads <= self.threads + spare
                && now.descriptors <= self.descriptors
                && now.memory <= self.memory + mebibytes * 1024;
            if again {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{now:?} and before it was {self:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// How many threads of a process have a name of that kind.
pub(crate) fn threads(pid: u32, is_one: impl Fn(&str) -> bool) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten();
    let names = tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| is_one(name)).count()
}

/// Lets this process open so many descriptors, where that is allowed.
pub(crate) fn allow_descriptors(wanted: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit can be read");
    soft >= wanted || setrlimit(Resource::RLIMIT_NOFILE, wanted.max(soft), hard.max(wanted)).is_ok()
}
