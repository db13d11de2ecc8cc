//! Clients that are slow, broken or hostile, in numbers. After each: the same process, its threads, descriptors and
//! memory as before, and `/healthz` answered all the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{
    Broken, Cgroup, Client, Engine, Resources, Server, Setup, Stdout, Times, Turn, Watch,
    allow_descriptors, eventually, note,
};

both_engines! {
    ten_thousand_idle_connections_fit_into_a_small_pod: alone,
    a_burst_of_new_connections_is_answered_within_a_second: alone,
    slow_heads_slow_nobody_else_down: alone,
    slow_bodies_slow_nobody_else_down: alone,
    slow_readers_slow_nobody_else_down: alone,
    heads_without_end_cost_no_memory: alone,
    pipelines_without_end_cost_no_memory: alone,
    lengths_beyond_all_memory_cost_nothing: alone,
    http_2_prefaces_leave_nothing_behind: alone,
    clients_killed_in_the_middle_leave_nothing_behind: alone,
    connections_reset_before_they_are_accepted_end_nothing: alone,
    a_stdout_that_closes_under_load_leaves_nothing_behind: alone,
    with_few_descriptors_every_newcomer_is_answered: alone,
    a_pod_that_ran_out_of_descriptors_recovers: alone,
    without_another_thread_to_be_had_newcomers_are_answered: alone,
    a_pod_that_ran_out_of_threads_recovers: alone,
}

/// A server under watch.
struct Scene {
    engine: Engine,
    server: Server,
    before: Resources,
    watch: Watch,
}

impl Scene {
    fn open(engine: Engine, setup: Setup) -> Scene {
        let server = setup.start().ready();
        let before = Resources::warm(&server);
        let watch = Watch::start(server.address, "/healthz");
        Scene {
            engine,
            server,
            before,
            watch,
        }
    }

    /// Asserts that nobody has noticed and that nothing is left but so many MiB; the clients must have gone.
    #[track_caller]
    fn close(mut self, mebibytes: u64) {
        let probes = self.watch.end();
        // A second is a kubelet's patience; one stall of this machine may cost one probe more. What probes may take at
        // most is another test's subject.
        let late = probes.above(Duration::from_secs(1));
        assert!(
            late <= 1 && probes.max() < Duration::from_secs(5),
            "{late} were late: {probes:?}"
        );
        Turn::give_up();
        self.before
            .expect_again(&mut self.server, self.engine, mebibytes);
        self.server.get("/").expect(200);
        self.server.stop().expect_clean();
    }

    #[track_caller]
    fn expect_memory_below(&self, mebibytes: u64) {
        let now = Resources::of(&self.server);
        assert!(
            now.memory < self.before.memory + mebibytes * 1024,
            "{now:?} and before it was {:?}",
            self.before
        );
    }
}

fn ten_thousand_idle_connections_fit_into_a_small_pod(engine: Engine) {
    const COUNT: usize = 10_000;
    if !allow_descriptors(COUNT as u64 + 2000) {
        return note("skipped: this process may not open 12,000 descriptors");
    }
    let Some(group) = Cgroup::new("memory", &[("memory.limit_in_bytes", "67108864")]) else {
        return;
    };
    // A little more than needed, so that the watch takes nobody's place.
    let setup = Setup::new(engine)
        .before(&group.enter())
        .set("MAX_CONNECTIONS", COUNT + 100);
    let scene = Scene::open(engine, setup);
    let mut clients: Vec<Client> = (0..COUNT)
        .map(|_| {
            let mut client = scene.server.client();
            client.get("/").expect(200);
            client
        })
        .collect();
    let now = Resources::of(&scene.server);
    assert!(now.descriptors >= COUNT as u64, "{now:?}");
    assert!(
        now.memory < 32 * 1024,
        "of its own it may take 32 MiB: {now:?}"
    );
    let times = Times::of(50, || drop(scene.server.get("/healthz").expect(200)));
    assert!(
        times.percentile(90) < Duration::from_millis(50),
        "{times:?}"
    );
    // Not one of them was forgotten.
    for client in clients.iter_mut().step_by(37) {
        client.get("/").expect(200);
    }
    assert!(!clients.iter().any(Client::has_news));
    drop(clients);
    scene.close(8);
}

fn a_burst_of_new_connections_is_answered_within_a_second(engine: Engine) {
    let scene = Scene::open(engine, Setup::new(engine).set("QUEUE_CAPACITY", "1000"));
    let began = Instant::now();
    let mut clients: Vec<Client> = (0..500)
        .map(|_| {
            let mut client = scene.server.client();
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
            client
        })
        .collect();
    for client in &mut clients {
        client.response().expect(200);
    }
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(1),
        "the last one was answered after {took:?}"
    );
    // All at once again, on the connections that are there.
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    for client in &mut clients {
        assert!(!client.response().expect(200).closes());
    }
    drop(clients);
    scene.close(8);
}

fn slow_heads_slow_nobody_else_down(engine: Engine) {
    let drip = |client: &mut Client| client.send("x");
    expect_no_slower(
        engine,
        "GET / HTTP/1.1\r\nHost: test\r\nX-Slow: ",
        drip,
        |client| {
            client.send("\r\n\r\n");
            client.response().expect(200);
        },
    );
}

fn slow_bodies_slow_nobody_else_down(engine: Engine) {
    // Enough for the drops, and finished by far too many: what is left over is not read as a request.
    let head =
        "POST /echo HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 10000\r\n\r\n";
    let drip = |client: &mut Client| client.send("x");
    expect_no_slower(engine, head, drip, |client| {
        let _ = client.try_send([b'x'; 10_000]);
        assert_eq!(client.response().expect(200).body.len(), 10_000);
    });
}

/// Asserts that 300 clients who begin so, and then go on in drops, cost the others nothing, and are served themselves.
fn expect_no_slower(engine: Engine, begin: &str, drip: fn(&mut Client), finish: fn(&mut Client)) {
    let scene = Scene::open(engine, Setup::new(engine).set("WORKERS", "4"));
    let usual = Times::of_gets(scene.server.address, "/", 300);
    let mut slow: Vec<Client> = (0..300)
        .map(|_| {
            let mut client = scene.server.client();
            client.send(begin);
            client
        })
        .collect();
    let enough = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&enough);
    let dripping = thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            slow.iter_mut().for_each(drip);
            thread::sleep(Duration::from_millis(50));
        }
        slow
    });
    let beside = Times::of_gets(scene.server.address, "/", 300);
    enough.store(true, Ordering::Relaxed);
    let mut slow = dripping.join().expect("nobody is cut off before his time");
    expect_about_the_same(&beside, &usual);
    slow.iter_mut().for_each(finish);
    drop(slow);
    scene.close(8);
}

/// Twice the usual is allowed, and the noise of a small machine.
#[track_caller]
fn expect_about_the_same(beside: &Times, usual: &Times) {
    let allowed =
        |percent: usize, noise: u64| usual.percentile(percent) * 2 + Duration::from_millis(noise);
    let summary = |times: &Times| {
        format!(
            "median {:?}, p90 {:?}",
            times.median(),
            times.percentile(90)
        )
    };
    let (now, before) = (summary(beside), summary(usual));
    assert!(beside.median() <= allowed(50, 2), "{now}; usually {before}");
    assert!(
        beside.percentile(90) <= allowed(90, 5),
        "{now}; usually {before}"
    );
}

fn slow_readers_slow_nobody_else_down(engine: Engine) {
    const SIZE: usize = 8 << 20;
    let scene = Scene::open(
        engine,
        Setup::new(engine)
            .set("WORKERS", "4")
            .set("BUFFER_MEMORY", "64MiB"),
    );
    let usual = Times::of_gets(scene.server.address, "/", 300);
    let mut slow: Vec<Client> = (0..300)
        .map(|_| {
            let mut client = Client::connect_narrow(scene.server.address);
            client.send(format!(
                "GET /bytes/{SIZE} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
            ));
            client
        })
        .collect();
    // Everybody gets the beginning of an answer: a long one, or that there is no memory for another long one.
    let begins: Vec<Vec<u8>> = slow
        .iter_mut()
        .map(|client| client.exactly(12).expect("an answer begins"))
        .collect();
    let served = |begin: &[u8]| begin == b"HTTP/1.1 200";
    assert!(
        begins
            .iter()
            .all(|begin| served(begin) || begin == b"HTTP/1.1 503"),
        "{begins:?}"
    );
    assert!(
        begins.iter().filter(|begin| served(begin)).count() >= 4,
        "at least as many as there are workers"
    );

    let beside = Times::of_gets(scene.server.address, "/", 300);
    expect_about_the_same(&beside, &usual);
    // `BUFFER_MEMORY` and some more for everything that is no body.
    scene.expect_memory_below(64 + 16);
    // Whoever reads on is served to the end.
    let mut whole = 0;
    for (client, begin) in slow
        .iter_mut()
        .zip(&begins)
        .filter(|(_, begin)| served(begin))
        .take(3)
    {
        whole += usize::from(begin.len() + client.count_to_end() > SIZE);
    }
    assert_eq!(whole, 3);
    drop(slow);
    scene.close(8);
}

fn heads_without_end_cost_no_memory(engine: Engine) {
    let scene = Scene::open(engine, Setup::new(engine));
    let field = format!("X-More: {}\r\n", "x".repeat(1000));
    let (one_line, many_lines) = ("x".repeat(64 << 10), field.repeat(64));
    for (begin, more, status) in [
        ("GET /", &one_line, 414),
        ("GET / HTTP/1.1\r\nHost: test\r\nX-More: ", &one_line, 431),
        ("GET / HTTP/1.1\r\nHost: test\r\n", &many_lines, 431),
    ] {
        let mut clients: Vec<Client> = (0..50).map(|_| scene.server.client()).collect();
        for client in &mut clients {
            client.send(begin);
        }
        for _ in 0..16 {
            for client in &mut clients {
                // Once it has its answer, the server need not listen any more.
                let _ = client.try_send(more);
            }
        }
        scene.expect_memory_below(16);
        let answered = clients
            .iter_mut()
            .filter_map(|client| client.try_response().ok())
            .collect::<Vec<_>>();
        assert!(
            answered.iter().all(|answer| answer.status == status),
            "{begin}"
        );
        // Who sends a megabyte behind his refusal may meet a reset; most must be able to read it.
        assert!(
            answered.len() > clients.len() / 2,
            "{begin}: {} of {} were told",
            answered.len(),
            clients.len()
        );
    }
    scene.close(4);
}

fn pipelines_without_end_cost_no_memory(engine: Engine) {
    let scene = Scene::open(engine, Setup::new(engine));
    let many = "GET /bytes/1000 HTTP/1.1\r\nHost: test\r\n\r\n".repeat(1000);
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..20 {
        let mut client = Client::connect_narrow(scene.server.address);
        client
            .stream()
            .set_write_timeout(Some(Duration::from_millis(100)))
            .expect("a timeout can be set");
        // 16 MiB, unless the server lets them pile up in front of its door, as it should.
        for _ in 0..400 {
            if client.try_send(&many).is_err() {
                break;
            }
        }
        clients.push(client);
    }
    scene.expect_memory_below(16);
    // Who begins to read gets what he asked for, in order.
    for client in &mut clients {
        for _ in 0..100 {
            assert_eq!(client.response().expect(200).body.len(), 1000);
        }
    }
    drop(clients);
    scene.close(8);
}

fn lengths_beyond_all_memory_cost_nothing(engine: Engine) {
    let scene = Scene::open(engine, Setup::new(engine));
    for round in 0..100 {
        for (framing, status) in [
            ("Content-Length: 100000000000000000\r\n\r\n", 413),
            ("Content-Length: 100000000000000000\r\n\r\nhello", 413),
            (
                "Content-Length: 100000000000000000\r\nExpect: 100-continue\r\n\r\n",
                413,
            ),
            ("Content-Length: 1e17\r\n\r\n", 400),
        ] {
            let mut client = scene.server.client();
            client.send(format!("POST /echo HTTP/1.1\r\nHost: test\r\n{framing}"));
            let answer = client
                .try_response()
                .unwrap_or_else(|broken| panic!("{round}: {framing}: {broken:?}"));
            assert_eq!(answer.status, status, "{framing}");
        }
    }
    scene.expect_memory_below(16);
    scene.close(4);
}

fn http_2_prefaces_leave_nothing_behind(engine: Engine) {
    let scene = Scene::open(engine, Setup::new(engine));
    for _ in 0..1000 {
        let mut client = scene.server.client();
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
        client.response().expect(505);
        client.expect_close();
    }
    scene.close(4);
}

fn clients_killed_in_the_middle_leave_nothing_behind(engine: Engine) {
    let scene = Scene::open(engine, Setup::new(engine).set("WORKERS", "16"));
    let mut clients = Vec::new();
    for _ in 0..100 {
        for middle in [
            "GET / HTTP/1.1\r\nHost:",
            "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nhello",
            "POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "GET /delay/0.1 HTTP/1.1\r\nHost: test\r\n\r\n",
            "GET /bytes/1000000 HTTP/1.1\r\nHost: test\r\n\r\n",
        ] {
            let mut client = scene.server.client();
            client.send(middle);
            clients.push(client);
        }
    }
    // The last kind has its first bytes: they are in the middle of the answer.
    for client in clients.iter_mut().skip(4).step_by(5).take(20) {
        client.exactly(9).expect("an answer begins");
    }
    clients.into_iter().for_each(Client::reset);
    scene.close(8);
}

fn connections_reset_before_they_are_accepted_end_nothing(engine: Engine) {
    let scene = Scene::open(engine, Setup::new(engine));
    for _ in 0..20 {
        // While the process stands still, the kernel accepts in its place.
        scene.server.signal("STOP");
        for round in 0..50 {
            let mut client = scene.server.client();
            if round % 2 == 0 {
                client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
            }
            client.reset();
        }
        scene.server.signal("CONT");
        scene.server.get("/").expect(200);
    }
    scene.close(4);
}

fn a_stdout_that_closes_under_load_leaves_nothing_behind(engine: Engine) {
    let server = Setup::new(engine)
        .stdout(Stdout::Broken)
        .set("ACCESS_LOG", "all")
        .start()
        .ready();
    let mut server = server;
    let before = Resources::warm(&server);
    let watch = Watch::start(server.address, "/healthz");
    let times = Times::of_gets(server.address, "/", 5000);
    assert!(
        times.percentile(99) < Duration::from_millis(50),
        "{:?}",
        times.percentile(99)
    );
    assert!(watch.end().max() < Duration::from_secs(1));
    before.expect_again(&mut server, engine, 4);
    let exit = server.stop();
    assert_eq!(
        (exit.code, exit.stderr.as_str()),
        (Some(0), ""),
        "{exit:#?}"
    );
}

/// An odd number, an even one, and one that leaves room for connections.
const FEW: [u32; 3] = [16, 17, 64];

fn with_few_descriptors_every_newcomer_is_answered(engine: Engine) {
    for limit in FEW {
        let mut server = Setup::new(engine)
            .before(&format!("ulimit -n {limit}"))
            .start()
            .ready();
        let before = Resources::warm(&server);
        let mut kept = Vec::new();
        for index in 0..100 {
            let mut client = server.client();
            let path = if index % 2 == 0 { "/healthz" } else { "/" };
            client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
            match client.try_response() {
                Ok(answer) if answer.status == 200 => {}
                // A reserve that only answers probes is all that can be had.
                Ok(answer) if answer.status == 503 && path == "/" => {}
                other => panic!("newcomer {index} of a pod with {limit} descriptors: {other:?}"),
            }
            kept.push(client);
        }
        drop(kept);
        before.expect_again(&mut server, engine, 4);
        eventually("there is room again", || server.get("/").status == 200);
        server.stop().expect_clean();
    }
}

fn a_pod_that_ran_out_of_descriptors_recovers(engine: Engine) {
    for limit in FEW {
        let mut server = Setup::new(engine)
            .before(&format!("ulimit -n {limit}"))
            .start()
            .ready();
        let before = Resources::warm(&server);
        // In the middle of a request, so that nobody can be asked to make room.
        let stuck: Vec<Client> = (0..100)
            .map(|_| {
                let mut client = server.client();
                client.send("GET / HTTP/1.1\r\nHost:");
                client
            })
            .collect();
        // tiny_http's acceptor dies of it, and is replaced at once: only the log still tells.
        eventually("descriptors ran out", || {
            let descriptors = Resources::of(&server).descriptors;
            let is_told =
                |record: &Value| record["msg"] == "connections cannot be accepted for now";
            descriptors > before.descriptors || server.records().iter().any(is_told)
        });
        drop(stuck);
        let gone = Instant::now();
        eventually("there is room again", || answers(&server));
        // A second is promised until an acceptor that has died is replaced; the rest is for a busy machine.
        assert!(
            gone.elapsed() < Duration::from_secs(3),
            "{limit} descriptors: after {:?}",
            gone.elapsed()
        );
        before.expect_again(&mut server, engine, 4);
        server.stop().expect_clean();
    }
}

fn without_another_thread_to_be_had_newcomers_are_answered(engine: Engine) {
    let Some(group) = Cgroup::new("pids", &[]) else {
        return;
    };
    let scene = Scene::open(engine, Setup::new(engine).before(&group.enter()));
    assert!(group.write("pids.max", &scene.before.threads.to_string()));
    let mut clients: Vec<Client> = (0..50).map(|_| scene.server.client()).collect();
    for client in &mut clients {
        client.get("/").expect(200);
    }
    drop(clients);
    scene.close(4);
}

fn a_pod_that_ran_out_of_threads_recovers(engine: Engine) {
    let Some(group) = Cgroup::new("pids", &[]) else {
        return;
    };
    let mut server = Setup::new(engine).before(&group.enter()).start().ready();
    let before = Resources::warm(&server);
    assert!(group.write("pids.max", &before.threads.to_string()));
    let clients: Vec<Client> = (0..50)
        .map(|_| {
            let mut client = server.client();
            client.send("GET / HTTP/1.1\r\nHost:");
            client
        })
        .collect();
    // Whoever is served is served before or after the fifty; both are fine.
    let _ = answers(&server);
    drop(clients);
    assert!(group.write("pids.max", "max"));
    let gone = Instant::now();
    eventually("there are threads again", || answers(&server));
    assert!(
        gone.elapsed() < Duration::from_secs(3),
        "after {:?}",
        gone.elapsed()
    );
    Turn::give_up();
    before.expect_again(&mut server, engine, 4);
    server.stop().expect_clean();
}

/// Whether a newcomer is served, now.
fn answers(server: &Server) -> bool {
    let Ok(client) = Client::try_connect(server.address) else {
        return false;
    };
    let mut client = client.patience(Duration::from_millis(200));
    if client
        .try_send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        .is_err()
    {
        return false;
    }
    match client.try_response() {
        Ok(answer) => answer.status == 200,
        Err(Broken::Malformed(what)) => panic!("{what}"),
        Err(_) => false,
    }
}
