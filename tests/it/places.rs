//! One client's connections at the others' expense: places, pipelines and what is thrown away.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::metrics::value;
use crate::support::{Client, Engine, Resources, Setup, eventually, free_port, get};

both_engines! {
    a_client_that_writes_all_before_it_reads_learns_why_it_was_refused,
    who_lingers_is_no_reason_for_a_drain_to_end_late_or_badly,
    new_silent_connections_close_no_well_behaved_idle_one,
    heads_that_never_end_hold_no_place_that_another_needs,
    clients_that_ask_without_end_and_read_nothing_cost_the_others_nothing: long,
}

fn a_client_that_writes_all_before_it_reads_learns_why_it_was_refused(engine: Engine) {
    const SIZE: usize = 24 << 20;
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    // Slowly: for longer than the two seconds that such a client had once.
    let piece = vec![b'x'; SIZE / 12];
    for sent in 0..12 {
        let result = client.try_send(&piece);
        assert!(result.is_ok(), "{result:?} after {sent} pieces");
        thread::sleep(Duration::from_millis(300));
    }
    client.response().expect(413);
}

fn who_lingers_is_no_reason_for_a_drain_to_end_late_or_badly(engine: Engine) {
    let server = Setup::new(engine)
        .set("SHUTDOWN_TIMEOUT", "2s")
        .start()
        .ready();
    let mut client = server.client();
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000000\r\n\r\n");
    client.response().expect(413);
    let sending = thread::spawn(move || {
        while client.try_send([b'x'; 1000]).is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let told = Instant::now();
    server.stop().expect_clean();
    let took = told.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    sending.join().unwrap();
}

fn new_silent_connections_close_no_well_behaved_idle_one(engine: Engine) {
    let admin = free_port();
    let server = Setup::new(engine)
        .set("MAX_CONNECTIONS", 100)
        .set("ADMIN_PORT", admin)
        .start()
        .ready();
    let mut idle: Vec<Client> = (0..50).map(|_| server.client()).collect();
    idle.iter_mut().for_each(|client| {
        client.get("/").expect(200);
    });
    let mut silent: Vec<Client> = (0..45).map(|_| server.client()).collect();
    expect_connections(admin, "idle", 95);
    thread::sleep(Duration::from_millis(1200));
    silent.extend((0..40).map(|_| server.client()));
    thread::sleep(Duration::from_millis(300));
    let kept = idle.iter_mut().map(|client| {
        let sent = client.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        sent.is_ok() && client.try_response().is_ok()
    });
    assert_eq!(kept.filter(|kept| *kept).count(), 50);
}

/// Waits until the server, whose admin port this is, knows of so many connections in this state.
fn expect_connections(admin: u16, state: &str, count: u32) {
    let admin = SocketAddr::from(([127, 0, 0, 1], admin));
    let sample = format!("seaworthy_connections{{state=\"{state}\"}} ");
    eventually(&format!("{count} are in {state}"), || {
        value(get(admin, "/metrics").expect(200).text(), &sample) == f64::from(count)
    });
}

fn heads_that_never_end_hold_no_place_that_another_needs(engine: Engine) {
    let admin = free_port();
    let server = Setup::new(engine)
        .set("MAX_CONNECTIONS", 20)
        .set("MIN_BODY_RATE", 0)
        .set("WORKERS", 16)
        .set("ADMIN_PORT", admin)
        .set("HEAD_TIMEOUT", "60s")
        .start()
        .ready();
    let _heads: Vec<Client> = (0..20)
        .map(|_| {
            let mut client = server.client();
            client.send("GET / HTTP/1.1\r\nHost:");
            client
        })
        .collect();
    expect_connections(admin, "head", 20);
    // A head has a second to arrive before another may have its place.
    thread::sleep(Duration::from_millis(1200));
    // Side by side, and each for a while: who is idle would go before a head.
    let ask = || {
        let mut client = server.client();
        client.send("GET /delay/1 HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(!client.response().expect(200).closes());
        client
    };
    let others: Vec<Client> = thread::scope(|threads| {
        let asking: Vec<_> = (0..15).map(|_| threads.spawn(ask)).collect();
        let others = asking.into_iter().map(|thread| thread.join().unwrap());
        others.collect()
    });
    // And they keep them.
    for mut client in others {
        client.get("/").expect(200);
    }
}

fn clients_that_ask_without_end_and_read_nothing_cost_the_others_nothing(engine: Engine) {
    // Of the first kind of request the thread that drives writes the answers itself; of the second, workers do.
    for path in ["/livez", "/bytes/1000"] {
        let server = Setup::new(engine).set("WORKERS", "4").start().ready();
        let before = Resources::warm(&server);
        let many = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").repeat(1000);
        let (address, enough) = (server.address, Arc::new(AtomicBool::new(false)));
        let askers: Vec<thread::JoinHandle<()>> = (0..4)
            .map(|_| {
                let (many, enough) = (many.clone(), Arc::clone(&enough));
                thread::spawn(move || {
                    let mut client = Client::connect_narrow(address);
                    let timeout = Some(Duration::from_millis(100));
                    client.stream().set_write_timeout(timeout).unwrap();
                    while !enough.load(Ordering::SeqCst) {
                        let _ = client.try_send(&many);
                        thread::sleep(Duration::from_millis(1));
                    }
                })
            })
            .collect();
        let (began, mut worst) = (Instant::now(), Duration::ZERO);
        let mut most = 0;
        while began.elapsed() < Duration::from_secs(3) {
            let asked = Instant::now();
            server.get("/livez").expect(200);
            worst = worst.max(asked.elapsed());
            server.get("/").expect(200);
            most = most.max(Resources::of(&server).memory);
        }
        enough.store(true, Ordering::SeqCst);
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        // 50 ms are promised; four clients that keep two cores busy need more. It was `WRITE_TIMEOUT`, half a minute.
        assert!(worst < Duration::from_millis(500), "{path}: {worst:?}");
        let grown = most.saturating_sub(before.memory) / 1024;
        assert!(grown < 32, "{path}: {grown} MiB for four clients");
    }
}
