//! Broadcasts to ten thousand clients in a pod as small as they come. For `cargo test --test program -- --ignored`, since
//! it takes a minute: `EVENT_ROUNDS=20` makes it twenty seconds.

use crate::{
    Conf,
    cgroup::Cgroup,
    crowd::Crowd,
    latencies::Latencies,
    serving::{Serving, ask},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seaworthy::{Broadcast, Event, Request, Response, Routes};
use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

const CLIENTS: usize = 10_000;

/// So many broadcasts, one a second, unless `EVENT_ROUNDS` says otherwise.
const ROUNDS: usize = 60;

/// Over how long the service spreads the ends.
const SPREAD: Duration = Duration::from_secs(1);

/// Two seconds by the contract, where nobody else wants these processors.
const ENDED_WITHIN: Duration = Duration::from_secs(10);

/// By the contract, where nobody else wants these processors.
const PROBED_WITHIN: Duration = Duration::from_millis(50);

/// `/events` gets whatever `/say/{text}` is told.
pub(crate) fn routes() -> Routes<Conf> {
    let news = Arc::new(Broadcast::new());
    let subscribed = Arc::clone(&news);
    Routes::new()
        .get("/events", move |_: &Request| {
            let (sender, response) = Response::events(16);
            subscribed.subscribe(sender);
            response
        })
        .post("/say/{text}", move |request: &Request| {
            news.send(Event::new(request.param("text"))).to_string()
        })
}

pub(crate) fn ten_thousand_clients_get_every_broadcast_in_64_mib_and_are_sent_away_one_after_the_other()
 {
    let one_cpu = [
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "100000"),
    ];
    let Some(cpu) = Cgroup::new("cpu", &one_cpu) else {
        return;
    };
    let Some(memory) = Cgroup::new("memory", &[("memory.limit_in_bytes", "67108864")]) else {
        return;
    };
    allow_descriptors(CLIENTS as u64 + 1000);
    let settings = [
        ("QUEUE", "queue"),
        ("WORKERS", "8"),
        ("MAX_CONNECTIONS", "10500"),
        ("LOG_LEVEL", "info"),
    ];
    let serving = Serving::start_in(&[&cpu, &memory], &settings);
    let address = serving.address().to_owned();
    let before = Latencies::of(&address, "/shards", |count| count < 500);
    let at_rest = serving.memory();
    let mut crowd = Crowd::connect(&address, "/events", CLIENTS);
    crowd.read_heads();
    let each = (serving.memory() - at_rest) * 1024 / CLIENTS as u64;
    println!("{CLIENTS} clients of events: {each} bytes for each, beside the kernel's");
    assert!(each < 2048, "{each} bytes");

    let is_over = AtomicBool::new(false);
    let watch = |path: &str| Latencies::of(&address, path, |_| !is_over.load(Relaxed));
    let (mut told, probes, others) = thread::scope(|scope| {
        let probes = scope.spawn(|| watch("/readyz"));
        let others = scope.spawn(|| watch("/shards"));
        let told = broadcast_each_second(&address, &mut crowd);
        is_over.store(true, Relaxed);
        let [probes, others] =
            [probes, others].map(|watch| watch.join().expect("each is answered"));
        (told, probes, others)
    });
    told.sort();
    let (median, longest) = (told[told.len() / 2], told[told.len() - 1]);
    println!(
        "{} broadcasts reached all within {median:.1?}, the slowest within {longest:.1?}",
        told.len()
    );
    println!("/readyz meanwhile: {probes}; another route: {before} before, {others} meanwhile");
    // Who waits for a whole broadcast waits for as long as that takes, here and now.
    let bound = PROBED_WITHIN.max(median / 2);
    assert!(probes.percentile(99) < bound, "{probes}");
    expect_a_spread_end(serving, &address, &mut crowd);
}

/// Tells all clients a number a second, and returns how long each took to reach them all.
fn broadcast_each_second(address: &str, crowd: &mut Crowd) -> Vec<Duration> {
    let rounds =
        env::var("EVENT_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().expect("a number"));
    let begun = Instant::now();
    let round = |number: usize| {
        let due = begun + Duration::from_secs(number as u64);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let told = Instant::now();
        let answer = ask(
            address,
            "POST",
            &format!("/say/{number}"),
            "Content-Length: 0\r\n",
        );
        assert!(answer.ends_with(&format!("\r\n\r\n{CLIENTS}")), "{answer}");
        crowd.read_events(number + 1);
        told.elapsed()
    };
    (0..rounds).map(round).collect()
}

/// SIGTERM: each client has the end of its answer, not all at a time, and whoever comes back finds nobody or an answer,
/// but not the 503 upon which an `EventSource` gives up.
fn expect_a_spread_end(serving: Serving, address: &str, crowd: &mut Crowd) {
    let has_ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let returning = scope.spawn(|| come_back_until(&has_ended, address));
        let terminated = Instant::now();
        serving.terminate();
        let ends = crowd.read_ends(terminated);
        let exit = serving.ended();
        let took = terminated.elapsed();
        has_ended.store(true, Relaxed);
        let (answered, refused) = returning.join().expect("nobody is told 503");
        let (first, last) = (ends[0], ends[CLIENTS - 1]);
        let at_once = ends
            .iter()
            .filter(|&&end| end < first + SPREAD / 10)
            .count();
        println!(
            "SIGTERM: the first end after {first:.1?}, the last after {last:.1?}, {at_once} in the first tenth of a second, the exit after {took:.1?}; of those who came back {answered} were answered and {refused} found nobody"
        );
        assert_eq!(exit.code(), Some(0));
        assert!(took < ENDED_WITHIN, "{took:?}");
        assert!(at_once < CLIENTS / 2, "{at_once} ended at once");
        assert!(last > SPREAD * 9 / 10, "the last ended after {last:?}");
        assert!(refused > 0, "it listened to its end");
    });
}

/// Connects again and again, as those do whose stream has ended. How many were answered, and how many found nobody.
fn come_back_until(has_ended: &AtomicBool, address: &str) -> (usize, usize) {
    let (mut answered, mut refused) = (0, 0);
    while !has_ended.load(Relaxed) {
        match come_back(address) {
            Some(answer) => {
                assert!(!answer.contains(" 503 "), "{answer}");
                answered += 1;
            }
            None => refused += 1,
        }
        thread::sleep(Duration::from_millis(10));
    }
    (answered, refused)
}

/// The beginning of what a client is told, if anything; it does not stay to the end.
fn come_back(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let mut answer = [0; 1024];
    let request = "GET /events HTTP/1.1\r\nHost: test\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let count = stream.read(&mut answer).ok().filter(|count| *count > 0)?;
    Some(String::from_utf8_lossy(&answer[..count]).into_owned())
}

fn allow_descriptors(wanted: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit can be read");
    if soft < wanted {
        let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted));
        raised.expect("root may open as many as it likes");
    }
}
