//! The measurement of event streams: what ten thousand clients cost that each get a broadcast a second.

use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

use benches::NEWS;

use crate::client;
use crate::crowd::Crowd;
use crate::load;
use crate::measure::{Measured, Values};
use crate::metric::Metric;
use crate::server::Server;
use crate::stats::summarise;

/// Until all have their answers, or an event. A variant that takes longer has lost some.
const PATIENCE: Duration = Duration::from_secs(10);

const SECOND: Duration = Duration::from_secs(1);

/// Of a server that is killed for what it takes nothing is told but that.
pub fn measure(mut server: Server, clients: usize, time: Duration) -> io::Result<Measured> {
    let before = server.charged();
    let mut crowd = Crowd::connect(server.port, clients)?;
    crowd.await_answers(PATIENCE)?;
    // What only setting up needed has had time to go.
    sleep(SECOND);
    let told = tell_each_second(&server, &mut crowd, time);
    if let Some(status) = server.wait(Duration::ZERO)? {
        let values = Values::from([(Metric::StreamsHeld, 0.0)]);
        let note = format!("ended after {} streams had begun: {status}", crowd.answered());
        return Ok(Measured { values, note, generator: 0.0 });
    }
    let mut measured = told?;
    measured.values.insert(Metric::MemoryStreams, server.memory()?);
    measured.values.insert(Metric::StreamsHeld, crowd.held() as f64);
    if let Some((before, after)) = before.zip(server.charged()) {
        measured.values.insert(Metric::ChargedPerStream, (after - before) / crowd.held() as f64);
    }
    // The server goes first, or it would have to notice ten thousand ends.
    drop(server);
    Ok(measured)
}

/// A broadcast a second, and probes beside it; the first one warms up.
fn tell_each_second(server: &Server, crowd: &mut Crowd, time: Duration) -> io::Result<Measured> {
    tell(server, crowd, 1)?;
    let (cpu, events, own) = (server.cpu()?, crowd.events(), crate::machine::own_cpu());
    let probes = load::probing(server.port, time).spawn()?;
    let begun = Instant::now();
    let mut took = Vec::new();
    for round in 0..time.as_secs() {
        sleep(Duration::from_secs(round).saturating_sub(begun.elapsed()));
        took.push(tell(server, crowd, round + 2)?.as_secs_f64());
    }
    let seen = load::finish(probes)?;
    let (cpu, events) = ((server.cpu()? - cpu).as_secs_f64(), crowd.events() - events);
    let own = (crate::machine::own_cpu() - own).as_secs_f64();
    let values = Values::from([
        (Metric::CpuPerEvent, cpu / events as f64),
        (Metric::P50, seen.p50),
        (Metric::P99, seen.p99),
        (Metric::ReachedAll, summarise(&took).map_or(f64::NAN, |summary| summary.median)),
    ]);
    Ok(Measured { values, note: seen.failures, generator: own / begun.elapsed().as_secs_f64() })
}

/// Has the server tell all, and waits until each has heard of it. How long that took.
fn tell(server: &Server, crowd: &mut Crowd, count: u64) -> io::Result<Duration> {
    let told = Instant::now();
    let (status, _) = client::ask(server.port, "POST", "/say", NEWS.as_bytes())?;
    if status != 200 {
        return Err(io::Error::other(format!("POST /say: {status}")));
    }
    match crowd.await_events(count, PATIENCE)? {
        true => Ok(told.elapsed()),
        false => Err(io::Error::other(format!("broadcast {count} has not reached all"))),
    }
}
