//! Clients that are slow, broken or hostile, in numbers. After each: the same process, its threads, descriptors and
//! memory as before, and `/healthz` answered all the time.

use std::time::{Duration, Instant};

use crate::support::{
    Cgroup, Client, Engine, Resources, Server, Setup, Stdout, Times, Turn, Watch,
    allow_descriptors, note,
};

both_engines! {
    ten_thousand_idle_connections_fit_into_a_small_pod: long,
    a_burst_of_new_connections_is_answered_within_a_second: long,
    heads_without_end_cost_no_memory: long,
    pipelines_without_end_cost_no_memory: long,
    lengths_beyond_all_memory_cost_nothing: long,
    http_2_prefaces_leave_nothing_behind: long,
    clients_killed_in_the_middle_leave_nothing_behind: long,
    connections_reset_before_they_are_accepted_end_nothing: long,
    a_stdout_that_closes_under_load_leaves_nothing_behind: long,
}

/// A server under watch.
pub(crate) struct Scene {
    pub(crate) engine: Engine,
    pub(crate) server: Server,
    pub(crate) before: Resources,
    pub(crate) watch: Watch,
}

impl Scene {
    pub(crate) fn open(engine: Engine, setup: Setup) -> Scene {
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
    pub(crate) fn close(mut self, mebibytes: u64) {
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
    pub(crate) fn expect_memory_below(&self, mebibytes: u64) {
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
