//! What a pod costs at the rates where most pods live: how often its threads are woken.

use std::collections::HashMap;
use std::fs;
use std::thread;
use std::time::Duration;

use crate::support::{Client, Engine, Server, Setup, eventually};

both_engines! {
    an_idle_pod_is_woken_by_its_tick_alone: long,
    a_request_that_comes_by_itself_wakes_one_thread: alone,
}

fn an_idle_pod_is_woken_by_its_tick_alone(engine: Engine) {
    let server = Setup::new(engine).start().ready();
    let mut clients: Vec<Client> = (0..16).map(|_| server.client()).collect();
    for client in &mut clients {
        client.get("/").expect(200);
    }
    let mut before = wakeups(&server);
    eventually("the pod comes to rest", || {
        thread::sleep(Duration::from_secs(1));
        let now = wakeups(&server);
        let woken = woken(&before, &now);
        before = now;
        woken.iter().all(|(name, _)| name == "tick")
    });
    thread::sleep(Duration::from_secs(3));
    let woken = woken(&before, &wakeups(&server));
    let ticks: u64 = woken.iter().map(|(_, count)| count).sum();
    assert!(
        woken.iter().all(|(name, _)| name == "tick") && ticks <= 4,
        "woken within 3 s: {woken:?}"
    );
    server.stop().expect_clean();
}

fn a_request_that_comes_by_itself_wakes_one_thread(engine: Engine) {
    const REQUESTS: u64 = 300;
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    // So many until the pool knows that the route is short.
    for _ in 0..100 {
        client.get("/").expect(200);
    }
    let before = wakeups(&server);
    for _ in 0..REQUESTS {
        // Apart from each other, as a hundred a second are.
        thread::sleep(Duration::from_millis(3));
        client.get("/").expect(200);
    }
    let woken = woken(&before, &wakeups(&server));
    let total: u64 = woken.iter().map(|(_, count)| count).sum();
    assert!(
        total < REQUESTS * 3 / 2,
        "for {REQUESTS} requests {total} times: {woken:?}"
    );
    server.stop().expect_clean();
}

/// How often each thread has waited for something so far.
fn wakeups(server: &Server) -> HashMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the process runs");
    let of_thread = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let waits = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some((name.trim().to_owned(), waits.trim().parse().ok()?))
    };
    tasks.flatten().filter_map(of_thread).collect()
}

fn woken(before: &HashMap<String, u64>, now: &HashMap<String, u64>) -> Vec<(String, u64)> {
    let since = |(name, count): (&String, &u64)| {
        let more = count - before.get(name).unwrap_or(&0);
        (more > 0).then(|| (name.clone(), more))
    };
    now.iter().filter_map(since).collect()
}
