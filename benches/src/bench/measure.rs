//! One measurement: one variant in one scenario, once.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cgroup::Hierarchy;
use crate::client;
use crate::load::{self, Target};
use crate::metric::Metric;
use crate::scenario::*;
use crate::server::Server;
use crate::streams;
use crate::trace::Trace;
use crate::variant::{self, Variant};

/// From so many answers on, a few of them lie beyond one in a thousand.
const ENOUGH_FOR_P999: f64 = 3000.0;

pub type Values = BTreeMap<Metric, f64>;

/// What a measurement found, and what should be said of it.
#[derive(Default)]
pub struct Measured {
    pub values: Values,
    pub note: String,
    /// The share that the load generator used of what it could.
    pub generator: f64,
}

impl From<Values> for Measured {
    fn from(values: Values) -> Measured {
        Measured { values, ..Measured::default() }
    }
}

/// What all measurements of a run have in common.
pub struct Bench<'a> {
    pub cgroups: &'a Hierarchy,
    pub builds: &'a Path,
    /// How long the load lasts.
    pub time: Duration,
    pub idle_connections: usize,
}

impl Bench<'_> {
    pub fn measure(&self, scenario: &Scenario, variant: &Variant) -> io::Result<Measured> {
        let built;
        let variant = if scenario.is_static {
            let Some(program) = variant::static_binary(variant, self.builds) else {
                return Ok(Measured::default());
            };
            built = Variant { program, ..variant.clone() };
            &built
        } else {
            variant
        };
        let start = || variant::start(variant, scenario.env, self.cgroups, scenario.limits());
        match scenario.kind {
            Kind::Closed(target) => self.closed(&start()?, target, scenario.quota),
            Kind::Open(target, rate) => self.open(&start()?, target, rate),
            Kind::Probe(target) => self.probe(&start()?, target),
            Kind::Events => streams::measure(start()?, self.idle_connections, self.time),
            Kind::Idle => self.idle(start()?, scenario.quota),
            Kind::Memory => memory(&start()?).map(Measured::from),
            Kind::Start => time_starts(variant, scenario).map(Measured::from),
            Kind::Stop => stop(start()?),
            Kind::SystemCalls => system_calls(&start()?).map(Measured::from),
            Kind::Size => size(variant).map(Measured::from),
        }
    }

    fn closed(&self, server: &Server, target: Target, quota: Option<u32>) -> io::Result<Measured> {
        load::closed(server.port, target, WARM_UP)?;
        let before = server.cpu()?;
        let seen = load::closed(server.port, target, self.time)?;
        let cpu = (server.cpu()? - before).as_secs_f64();
        let values = Values::from([
            (Metric::CpuPerRequest, cpu / seen.answered),
            (Metric::RequestsPerSecond, seen.answered / seen.seconds),
            (Metric::P50, seen.p50),
            (Metric::P99, seen.p99),
            (Metric::Failed, seen.failed),
        ]);
        // Without a quota the two share the CPUs, as the report says of all that has none.
        let generator = if quota.is_some() { seen.took / f64::from(load::WRK_THREADS) } else { 0.0 };
        Ok(Measured { values, note: seen.failures, generator })
    }

    /// Twice as long as a closed loop, since one in a thousand is asked for.
    fn open(&self, server: &Server, target: Target, rate: u32) -> io::Result<Measured> {
        load::open(server.port, target, rate, WARM_UP)?;
        let before = server.cpu()?;
        let seen = load::open(server.port, target, rate, 2 * self.time)?;
        let cpu = (server.cpu()? - before).as_secs_f64();
        let values = Values::from([
            (Metric::CpuPerRequest, cpu / seen.answered),
            (Metric::P50, seen.p50),
            (Metric::P99, seen.p99),
            (Metric::P999, if seen.answered < ENOUGH_FOR_P999 { f64::NAN } else { seen.p999 }),
            (Metric::Failed, seen.failed),
        ]);
        // oha has a thread for each CPU, and of those what the server leaves.
        let could = crate::machine::cpus() as f64 - cpu / seen.seconds;
        Ok(Measured { values, note: seen.failures, generator: seen.took / could.max(f64::MIN_POSITIVE) })
    }

    fn probe(&self, server: &Server, target: Target) -> io::Result<Measured> {
        let mut busy = load::closed_in_background(server.port, target)?;
        sleep(Duration::from_secs(2));
        let seen = load::probing(server.port, self.time).spawn().and_then(load::finish);
        let _ = busy.kill();
        busy.wait()?;
        let seen = seen?;
        let asked = f64::from(PROBES_PER_SECOND) * self.time.as_secs_f64();
        // Too few for one in a thousand.
        let values = Values::from([
            (Metric::P50, seen.p50),
            (Metric::P99, seen.p99),
            (Metric::ProbesFailed, (1.0 - seen.answered / asked).max(0.0)),
        ]);
        Ok(Measured { values, note: seen.failures, generator: 0.0 })
    }

    fn idle(&self, server: Server, quota: Option<u32>) -> io::Result<Measured> {
        let before = server.charged();
        let connections: Vec<TcpStream> =
            (0..self.idle_connections).map_while(|_| client::idle_connection(server.port).ok()).collect();
        // What only setting up needed has had time to go.
        sleep(Duration::from_secs(1));
        let resident = server.memory()?;
        let charged = before.zip(server.charged()).map(|(before, after)| after - before);
        // Some servers have gone by now, and how many connections they could bear is the answer.
        let mut measured = self
            .closed(&server, GREETING, quota)
            .unwrap_or_else(|error| Measured { note: error.to_string(), ..Measured::default() });
        let held = connections.iter().filter(|socket| client::is_open(socket)).count();
        measured.values.insert(Metric::MemoryIdle, resident);
        measured.values.insert(Metric::IdleHeld, held as f64);
        if let Some(charged) = charged {
            measured.values.insert(Metric::ChargedPerIdle, charged / connections.len() as f64);
        }
        // The server goes first, or it would have to notice ten thousand ends.
        drop(server);
        Ok(measured)
    }
}

fn memory(server: &Server) -> io::Result<Values> {
    sleep(MEMORY_REST);
    let rest = server.memory()?;
    let mut busy = load::closed_in_background(server.port, GREETING)?;
    sleep(MEMORY_BUSY);
    let loaded = server.memory();
    let _ = busy.kill();
    busy.wait()?;
    Ok(Values::from([(Metric::MemoryRest, rest), (Metric::MemoryBusy, loaded?)]))
}

fn time_starts(variant: &Variant, scenario: &Scenario) -> io::Result<Values> {
    let env = variant::environment(variant, scenario.env);
    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let (_server, time) = Server::time_start(&variant.program, &env)?;
        starts.push(time.as_secs_f64());
    }
    let median = crate::stats::summarise(&starts).map_or(f64::NAN, |summary| summary.median);
    Ok(Values::from([(Metric::FirstAnswer, median)]))
}

fn stop(mut server: Server) -> io::Result<Measured> {
    let target = Target { method: "GET", path: "/block", connections: 64, fresh: false };
    let load = load::open_command(server.port, target, STOP_RATE, STOP_LOAD).spawn()?;
    sleep(STOP_AFTER);
    let terminated = Instant::now();
    server.terminate()?;
    let ended = server.wait(Duration::from_secs(30))?;
    let exit = terminated.elapsed().as_secs_f64();
    let seen = load::finish(load)?;
    let clean = ended.is_some_and(|status| status.success());
    let values = Values::from([
        (Metric::Exit, exit),
        (Metric::ExitClean, f64::from(u8::from(clean))),
        (Metric::Failed, seen.failed),
    ]);
    Ok(Measured { values, note: seen.failures, generator: 0.0 })
}

/// Traced, all are slow; but how many calls a request takes is nearly the same in each run.
fn system_calls(server: &Server) -> io::Result<Values> {
    load::closed(server.port, GREETING, WARM_UP)?;
    let trace = Trace::start(server.pid())?;
    let seen = load::closed(server.port, GREETING, WARM_UP)?;
    let calls = trace.stop()?;
    Ok(Values::from([(Metric::SystemCalls, calls / seen.answered)]))
}

fn size(variant: &Variant) -> io::Result<Values> {
    Ok(Values::from([(Metric::Size, fs::metadata(&variant.program)?.len() as f64)]))
}
