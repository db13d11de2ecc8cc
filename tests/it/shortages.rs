//! A pod without descriptors or threads: newcomers are answered, and it recovers.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::chaos::Scene;
use crate::support::{
    Broken, Cgroup, Client, Engine, Resources, Server, Setup, Turn, drivers, eventually, threads,
};

both_engines! {
    with_few_descriptors_every_newcomer_is_answered,
    a_pod_that_ran_out_of_descriptors_recovers: long,
    without_another_thread_to_be_had_newcomers_are_answered: alone,
    a_pool_that_was_refused_threads_serves_with_what_it_has_and_grows_later: alone,
    a_pod_that_ran_out_of_threads_recovers: alone,
}

/// An odd number, an even one, and one that leaves room for connections; for one reactor, and each more has four.
const FEW: [u32; 3] = [16, 17, 64];

fn with_few_descriptors_every_newcomer_is_answered(engine: Engine) {
    let more = 4 * (drivers(engine) as u32 - 1);
    for limit in FEW {
        let mut server = Setup::new(engine)
            .before(&format!("ulimit -n {}", limit + more))
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
        in_time(|| recovers_with(engine, limit));
    }
}

/// How soon one of so few descriptors answers again, once those who took them have gone.
fn recovers_with(engine: Engine, limit: u32) -> Duration {
    let more = 4 * (drivers(engine) as u32 - 1);
    let mut server = Setup::new(engine)
        .before(&format!("ulimit -n {}", limit + more))
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
        let is_told = |record: &Value| record["msg"] == "connections cannot be accepted for now";
        descriptors > before.descriptors || server.records().iter().any(is_told)
    });
    drop(stuck);
    let gone = Instant::now();
    eventually("there is room again", || answers(&server));
    let took = gone.elapsed();
    before.expect_again(&mut server, engine, 4);
    server.stop().expect_clean();
    took
}

/// A second is promised until an acceptor that has died is replaced; the rest, and more than one attempt, is for a busy
/// machine.
fn in_time(mut recovers: impl FnMut() -> Duration) {
    const BOUND: Duration = Duration::from_secs(3);
    let mut attempts = (0..3).map(|_| recovers());
    assert!(attempts.any(|took| took < BOUND), "not in {BOUND:?}");
}

fn without_another_thread_to_be_had_newcomers_are_answered(engine: Engine) {
    let Some(group) = Cgroup::new("pids", &[]) else {
        return;
    };
    let scene = Scene::open(engine, Setup::new(engine).before(&group.enter()));
    assert!(group.write(
        "pids.max",
        &threads(scene.server.pid(), |_| true).to_string()
    ));
    let mut clients: Vec<Client> = (0..50).map(|_| scene.server.client()).collect();
    for client in &mut clients {
        client.get("/").expect(200);
    }
    drop(clients);
    scene.close(4);
}

/// As many handlers run at once as there are threads for, and one thread more for each reactor answers probes.
fn a_pool_that_was_refused_threads_serves_with_what_it_has_and_grows_later(engine: Engine) {
    let Some(group) = Cgroup::new("pids", &[]) else {
        return;
    };
    let setup = Setup::new(engine).set("WORKERS", 8);
    let mut server = setup.before(&group.enter()).start().ready();
    // Connected while there are threads, which tiny_http takes one of for each.
    let mut clients: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for client in &mut clients {
        client.get("/").expect(200);
    }
    let workers = || threads(server.pid(), |name| name.starts_with("worker-"));
    let (begun, most) = (workers(), 8 + drivers(engine));
    assert!(begun < most, "{begun} threads for one request at a time");
    let mut answer_slowly = || {
        for client in &mut clients {
            client.send("GET /delay/0.2 HTTP/1.1\r\nHost: test\r\n\r\n");
        }
        for client in &mut clients {
            client.response().expect(200);
        }
    };
    let all = threads(server.pid(), |_| true);
    assert!(group.write("pids.max", &all.to_string()));
    answer_slowly();
    assert!(workers() < most);
    server.wait_for("the record of the refusal", |record| {
        record["msg"] == "fewer workers than wanted" && record["wanted"] == 8
    });
    assert!(group.write("pids.max", "max"));
    Turn::give_up();
    // It asks for a thread again after a second.
    eventually("all workers have begun", || {
        answer_slowly();
        workers() == most
    });
    assert!(server.is_running());
    server.stop().expect_clean();
}

fn a_pod_that_ran_out_of_threads_recovers(engine: Engine) {
    if let Some(group) = Cgroup::new("pids", &[]) {
        in_time(|| recovers_in(engine, &group));
    }
}

/// How soon one that may have no more threads answers again, once it may.
fn recovers_in(engine: Engine, group: &Cgroup) -> Duration {
    let mut server = Setup::new(engine).before(&group.enter()).start().ready();
    let before = Resources::warm(&server);
    assert!(group.write("pids.max", &threads(server.pid(), |_| true).to_string()));
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
    let took = gone.elapsed();
    Turn::give_up();
    before.expect_again(&mut server, engine, 4);
    server.stop().expect_clean();
    took
}

/// Whether a newcomer is served, now.
fn answers(server: &Server) -> bool {
    let Ok(client) = Client::try_connect(server.address) else {
        return false;
    };
    let mut client = client.patience(Duration::from_secs(1));
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
