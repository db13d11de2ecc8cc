//! Uploads: where they cannot be, and those that are larger than all the memory there is. The latter are for
//! `cargo test --test program -- --ignored`, since they take 4 GiB of the disk and a minute.

use crate::{cgroup::Cgroup, collector::Collector, latencies::Latencies, run, serving::Serving};
use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
    process, thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const GIBIBYTE: u64 = 1 << 30;

/// A directory that is removed when the test ends.
pub(crate) struct Data(PathBuf);

impl Data {
    pub(crate) fn new(name: &str) -> Data {
        let name = format!("seaworthy-uploads-{name}-{}", process::id());
        let data = Data(env::temp_dir().join(name));
        fs::create_dir_all(&data.0).expect("a directory can be made");
        data
    }

    pub(crate) fn path(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Sends so many bytes to a file of this name, and returns the answer.
fn upload(address: &str, name: &str, length: u64) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let head = format!(
        "PUT /files/{name} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..length >> 20 {
        stream.write_all(&piece).expect("it reads");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

/// In how many of the kernel's periods the program has spent its quota.
fn throttled_periods(serving: &Serving) -> u64 {
    let metrics = serving.get("/metrics", "");
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("cgroup_cpu_throttled_periods_total "));
    count.expect("it is told").parse().expect("a number")
}

pub(crate) fn four_uploads_of_a_gibibyte_take_less_than_16_mib_and_others_are_answered_meanwhile() {
    let half = [
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "50000"),
    ];
    let Some(cpu) = Cgroup::new("cpu", &half) else {
        return;
    };
    let Some(memory) = Cgroup::new("memory", &[("memory.limit_in_bytes", "67108864")]) else {
        return;
    };
    let data = Data::new("large");
    let path = data.path();
    let settings = [("QUEUE", "queue"), ("DATA_DIR", path.as_str())];
    let serving = Serving::start_in(&[&cpu, &memory], &settings);
    let before = Latencies::of(serving.address(), "/shards", |count| count < 500);
    let throttled_before = throttled_periods(&serving);
    let (began, address) = (Instant::now(), serving.address());
    let meanwhile = thread::scope(|scope| {
        let senders =
            ["a", "b", "c", "d"].map(|name| scope.spawn(move || upload(address, name, GIBIBYTE)));
        let times = Latencies::of(serving.address(), "/shards", |_| {
            senders.iter().any(|sender| !sender.is_finished())
        });
        for sender in senders {
            let answer = sender.join().expect("it is sent");
            assert!(answer.ends_with("1073741824 bytes"), "{answer}");
        }
        times
    });
    let took = began.elapsed();
    let throttled = throttled_periods(&serving) - throttled_before;
    let periods = took.as_millis() as u64 / 100;
    let peak = serving.peak_memory();
    println!(
        "four uploads of 1 GiB: {took:.1?}, peak memory {peak} KiB, another route {before} before, {meanwhile} meanwhile; throttled in {throttled} of {periods} periods"
    );
    assert!(peak < 16 * 1024, "{peak} KiB");
    // Uploads leave others some of the quota. How late the slowest hundredth of them is depends on what else this machine
    // does; without any rest the kernel throttles in every period.
    assert!(
        4 * throttled < 3 * periods,
        "{throttled} of {periods} periods"
    );
    let (usual, now) = (before.percentile(50), meanwhile.percentile(50));
    assert!(
        now < 2 * usual + Duration::from_micros(500),
        "{meanwhile} and not {before}"
    );
    let lengths: Vec<u64> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| fs::metadata(data.0.join(name)).map_or(0, |held| held.len()))
        .collect();
    assert_eq!(lengths, [GIBIBYTE; 4]);
    serving.end();
}

pub(crate) fn uploads_that_cannot_be_are_a_bad_configuration() {
    let (code, _, stderr) = run(&[], &[("QUEUE", "queue"), ("DATA_DIR", "/proc/nowhere")]);
    assert_eq!(code, 78, "{stderr}");
    assert!(
        stderr.contains("DATA_DIR=\"/proc/nowhere\": expected a directory"),
        "{stderr}"
    );
    assert!(!stderr.contains("opened"), "{stderr}");
    if cfg!(feature = "tiny_http") {
        let data = env::temp_dir();
        let data = data.to_string_lossy();
        let settings = [
            ("QUEUE", "queue"),
            ("HTTP_ENGINE", "tiny_http"),
            ("DATA_DIR", &*data),
        ];
        let (code, _, stderr) = run(&[], &settings);
        assert_eq!(code, 78, "{stderr}");
        assert!(
            stderr.contains("HTTP_ENGINE") && stderr.contains("/files/{name}"),
            "{stderr}"
        );
    }
}

pub(crate) fn of_an_upload_whose_process_is_killed_nothing_is_at_its_place() {
    let data = Data::new("killed");
    let path = data.path();
    let settings = [("QUEUE", "queue"), ("DATA_DIR", path.as_str())];
    let serving = Serving::start(&settings);
    let old = upload(serving.address(), "replaced", 1 << 20);
    assert!(old.ends_with("1048576 bytes"), "{old}");
    let mut streams: Vec<TcpStream> = ["new", "replaced"]
        .iter()
        .map(|name| {
            let mut stream = TcpStream::connect(serving.address()).expect("it listens");
            let head = format!(
                "PUT /files/{name} HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf"
            );
            stream.write_all(head.as_bytes()).expect("it reads");
            stream
        })
        .collect();
    let has_begun = || {
        let entries = fs::read_dir(&data.0).expect("it is there").flatten();
        let lengths = entries.filter_map(|entry| entry.metadata().ok());
        lengths.filter(|file| file.len() == 4).count() == 2
    };
    while !has_begun() {
        thread::sleep(Duration::from_millis(10));
    }
    drop(serving);
    for stream in &mut streams {
        let _ = stream.read(&mut [0; 1]);
    }
    let held = |name: &str| fs::metadata(data.0.join(name)).map(|file| file.len()).ok();
    assert_eq!((held("new"), held("replaced")), (None, Some(1 << 20)));
}

pub(crate) fn the_span_and_the_record_of_an_upload_end_with_its_answer() {
    let collector = Collector::start();
    let data = Data::new("traced");
    let serving = Serving::start(&[
        ("QUEUE", "queue"),
        ("DATA_DIR", &data.path()),
        ("ACCESS_LOG", "all"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()),
    ]);
    let mut stream = TcpStream::connect(serving.address()).expect("it listens");
    let head = "PUT /files/a HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 10\r\n\r\nfirst";
    stream.write_all(head.as_bytes()).expect("it reads");
    thread::sleep(Duration::from_millis(100)); // in which the handler returns
    let still_going = SystemTime::now();
    stream.write_all(b"later").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(answer.ends_with("10 bytes"), "{answer}");
    let log = serving.end();
    let [stored, server] = [(); 2].map(|()| collector.next());
    assert_eq!(
        (&*stored.name, &*server.name),
        ("stored", "PUT /files/{name}")
    );
    assert_eq!(stored.parent, server.span_id, "{stored:?}");
    let still_going = still_going.duration_since(UNIX_EPOCH).expect("after 1970");
    assert!(
        u128::from(server.end) >= still_going.as_nanos(),
        "{server:?}"
    );
    assert_eq!(server.attributes["http.response.status_code"], "200");
    let record = log
        .iter()
        .find(|record| record["route"] == "/files/{name}" && !record["status"].is_null());
    let record = record.unwrap_or_else(|| panic!("no record: {log:?}"));
    assert_eq!(
        (&record["status"], &record["trace_id"]),
        (&200.into(), &server.trace_id.as_str().into())
    );
}
