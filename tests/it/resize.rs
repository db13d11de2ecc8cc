//! A pod that is resized in place: other limits in its cgroup, and the process runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::live_configuration::flag;
use crate::support::{
    Cgroup, Client, Engine, Resources, Server, Setup, drivers, eventually, free_port, get, number,
    threads,
};

both_engines! {
    a_resized_pod_has_the_workers_and_the_memory_of_its_new_size,
    what_was_set_stays_when_the_pod_is_resized,
    fewer_cpus_in_the_cpuset_are_fewer_workers,
    uploads_that_begin_after_a_shrink_to_16_mebibytes_do_not_get_the_pod_killed,
    resizes_back_and_forth_under_load_lose_nothing_and_leave_nothing: long,
}

/// Waits for the record of the resize of this number, counted from 1.
fn resized(server: &Server, number: usize) -> Value {
    let all = || -> Vec<Value> {
        let records = server.records().into_iter();
        records.filter(|one| one["msg"] == "resized").collect()
    };
    eventually("the resize is logged", || all().len() >= number);
    let all = all();
    assert_eq!(all.len(), number, "once a change: {all:?}");
    all[number - 1].clone()
}

fn quota(group: &Cgroup, microseconds: u32) {
    assert!(group.write("cpu.cfs_quota_us", &microseconds.to_string()));
}

fn memory(group: &Cgroup, mebibytes: u64) {
    assert!(group.write("memory.limit_in_bytes", &(mebibytes << 20).to_string()));
}

/// Half a CPU and 100 MiB; none where there is no such cgroup to be had.
fn small_pod() -> Option<(Cgroup, Cgroup)> {
    let half = [
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "50000"),
    ];
    let cpu = Cgroup::new("cpu", &half)?;
    let ram = Cgroup::new("memory", &[("memory.limit_in_bytes", "104857600")])?;
    Some((cpu, ram))
}

/// Whether the pool runs so many handlers at once, and has no more threads than that and one for each reactor.
fn has_workers(server: &Server, engine: Engine, port: u16, workers: usize) -> bool {
    let metrics = get((server.address.ip(), port).into(), "/metrics");
    let told = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("seaworthy_workers "));
    let most = workers + drivers(engine);
    told == Some(&workers.to_string())
        && threads(server.pid(), |name| name.starts_with("worker-")) <= most
}

fn a_resized_pod_has_the_workers_and_the_memory_of_its_new_size(engine: Engine) {
    let Some((cpu, ram)) = small_pod() else {
        return;
    };
    let before = format!("{}\n{}", cpu.enter(), ram.enter());
    let server = Setup::new(engine).before(&before).start().ready();
    quota(&cpu, 150_000);
    memory(&ram, 16);
    // Two files are written one after the other, and a look may come between them.
    let grown = server.wait_for("the resize", |record| {
        record["msg"] == "resized"
            && record["cpu_quota"] == "1.5"
            && record["memory_limit"] == "16MiB"
    });
    let sizes = [
        "workers",
        "queue_capacity",
        "max_connections",
        "buffer_memory",
    ];
    assert_eq!(
        sizes.map(|name| number(&grown, name)),
        [64.0, 4096.0, 2730.0, 4.0 * 1024.0 * 1024.0],
        "{grown}"
    );
    eventually("the pool has grown", || {
        has_workers(&server, engine, server.address.port(), 64)
    });
    quota(&cpu, 50_000);
    eventually("the pool has shrunk", || {
        has_workers(&server, engine, server.address.port(), 32)
    });
    server.get("/").expect(200);
    server.stop().expect_clean();
}

fn what_was_set_stays_when_the_pod_is_resized(engine: Engine) {
    let half = [
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "50000"),
    ];
    let Some(cpu) = Cgroup::new("cpu", &half) else {
        return;
    };
    let port = free_port();
    let setup = Setup::new(engine)
        .set("WORKERS", "3")
        .set("BUFFER_MEMORY", "64Mi")
        .set("ADMIN_PORT", port);
    let server = setup.before(&cpu.enter()).start().ready();
    quota(&cpu, 200_000);
    let record = resized(&server, 1);
    assert_eq!(number(&record, "workers"), 3.0);
    assert!(has_workers(&server, engine, port, 3));
    // Or `config` would take it for another value than the one that is set.
    assert_eq!(flag(port, "BUFFER_MEMORY"), "64Mi");
    server.stop().expect_clean();
}

fn fewer_cpus_in_the_cpuset_are_fewer_workers(engine: Engine) {
    let Ok(all) = std::fs::read_to_string("/sys/fs/cgroup/cpuset/cpuset.cpus") else {
        return crate::support::note("skipped: no cpuset of version 1 is mounted here");
    };
    let Some((first, _)) = all.trim().split_once(['-', ',']) else {
        return crate::support::note("skipped: there is one CPU only");
    };
    let Some(set) = Cgroup::new(
        "cpuset",
        &[("cpuset.cpus", all.trim()), ("cpuset.mems", "0")],
    ) else {
        return;
    };
    let setup = Setup::new(engine).set("REACTORS", drivers(engine));
    let server = setup.before(&set.enter()).start().ready();
    assert!(set.write("cpuset.cpus", first));
    assert_eq!(number(&resized(&server, 1), "workers"), 32.0);
    eventually("the pool has shrunk", || {
        has_workers(&server, engine, server.address.port(), 32)
    });
    server.stop().expect_clean();
}

/// The handler of a GET takes no notice of its body, which is in memory before it runs all the same.
fn uploads_that_begin_after_a_shrink_to_16_mebibytes_do_not_get_the_pod_killed(engine: Engine) {
    const SIZE: usize = 1_000_000;
    let Some(ram) = Cgroup::new("memory", &[("memory.limit_in_bytes", "104857600")]) else {
        return;
    };
    // glibc keeps what was freed for each thread, up to many times what is in use. The image is linked with musl, which
    // gives it back; so does glibc where it is told to.
    let setup = Setup::new(engine)
        .set("MALLOC_ARENA_MAX", 2)
        .set("MALLOC_MMAP_THRESHOLD_", 128 * 1024);
    let mut server = setup.before(&ram.enter()).start().ready();
    let address = server.address;
    memory(&ram, 16);
    let upload = move || {
        let mut client = Client::connect(address);
        client.send(format!(
            "GET /status/201 HTTP/1.1\r\nHost: test\r\nContent-Length: {SIZE}\r\n\r\n"
        ));
        for piece in vec![b'x'; SIZE].chunks(SIZE / 20) {
            // Who is refused in the middle may find its connection closed to more.
            if client.try_send(piece).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        client.try_response().map(|answer| answer.status)
    };
    let uploads: Vec<_> = (0..60).map(|_| thread::spawn(upload)).collect();
    let answers = uploads.into_iter().map(|upload| upload.join().unwrap());
    let answers: Vec<_> = answers.collect();
    let is_expected = |answer: &Result<u16, _>| matches!(answer, Ok(201 | 503));
    assert!(answers.iter().all(is_expected), "{answers:?}");
    assert!(answers.iter().any(|answer| matches!(answer, Ok(201))));
    assert!(server.is_running(), "{:#?}", server.records());
    server.get("/livez").expect(200);
    server.stop().expect_clean();
}

/// `RESIZES=100` for the full number: each is seen within two seconds.
fn resizes_back_and_forth_under_load_lose_nothing_and_leave_nothing(engine: Engine) {
    let rounds = std::env::var("RESIZES").map_or(2, |rounds| rounds.parse().unwrap());
    let Some((cpu, ram)) = small_pod() else {
        return;
    };
    let before = format!("{}\n{}", cpu.enter(), ram.enter());
    let mut server = Setup::new(engine).before(&before).start().ready();
    // Once before it counts: every thread that there may be has run.
    resize_under_load(&server, engine, &cpu, &ram, 1);
    let resources = Resources::warm(&server);
    resize_under_load(&server, engine, &cpu, &ram, rounds);
    resources.expect_again(&mut server, engine, 1);
    server.stop().expect_clean();
}

fn resize_under_load(server: &Server, engine: Engine, cpu: &Cgroup, ram: &Cgroup, rounds: usize) {
    let enough = Arc::new(AtomicBool::new(false));
    let client = |_| {
        let (address, enough) = (server.address, Arc::clone(&enough));
        thread::spawn(move || {
            let (mut client, mut answers) = (Client::connect(address), 0);
            while !enough.load(Ordering::Relaxed) {
                if client.get("/bytes/3000").expect(200).closes() {
                    client = Client::connect(address);
                }
                answers += 1;
                thread::sleep(Duration::from_millis(2));
            }
            answers
        })
    };
    let clients: Vec<_> = (0..8).map(client).collect();
    for _ in 0..rounds {
        quota(cpu, 200_000);
        memory(ram, 16);
        eventually("the pool has grown", || {
            has_workers(server, engine, server.address.port(), 64)
        });
        quota(cpu, 50_000);
        memory(ram, 100);
        eventually("the pool has shrunk", || {
            has_workers(server, engine, server.address.port(), 32)
        });
    }
    enough.store(true, Ordering::Relaxed);
    let answers = clients
        .into_iter()
        .map(|client| client.join().expect("no request is lost"));
    assert!(answers.sum::<usize>() > 100);
}
