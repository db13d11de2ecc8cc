//! Slow clients cost the others no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::chaos::Scene;
use crate::support::{Client, Engine, Server, Setup, Times};

both_engines! {
    slow_heads_slow_nobody_else_down: long,
    slow_bodies_slow_nobody_else_down: long,
    slow_readers_slow_nobody_else_down: long,
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
    let setup = Setup::new(engine).set("WORKERS", "4");
    let undisturbed = setup.clone().start().ready();
    let scene = Scene::open(engine, setup);
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
    expect_about_the_same(&scene.server, &undisturbed);
    enough.store(true, Ordering::Relaxed);
    let mut slow = dripping.join().expect("nobody is cut off before his time");
    slow.iter_mut().for_each(finish);
    drop(slow);
    scene.close(8);
}

/// Asks a server that has slow clients and one that has none by turns, so that whatever else this machine does costs both
/// the same. Twice the time is allowed, and the noise of a small machine.
#[track_caller]
fn expect_about_the_same(slowed: &Server, undisturbed: &Server) {
    let (mut beside, mut usual) = (Vec::new(), Vec::new());
    let mut clients = [slowed, undisturbed].map(Server::client);
    for _ in 0..300 {
        for (client, times) in clients.iter_mut().zip([&mut beside, &mut usual]) {
            let asked = Instant::now();
            client.get("/").expect(200);
            times.push(asked.elapsed());
        }
    }
    let (beside, usual) = (Times::from(beside), Times::from(usual));
    for (percent, noise) in [(50, 2), (90, 5)] {
        let allowed = usual.percentile(percent) * 2 + Duration::from_millis(noise);
        let most = beside.percentile(percent);
        assert!(
            most <= allowed,
            "{percent} %: {most:?}, and {allowed:?} is allowed"
        );
    }
}

fn slow_readers_slow_nobody_else_down(engine: Engine) {
    const SIZE: usize = 8 << 20;
    let setup = Setup::new(engine)
        .set("WORKERS", "4")
        .set("BUFFER_MEMORY", "64MiB");
    let undisturbed = setup.clone().start().ready();
    let scene = Scene::open(engine, setup);
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

    expect_about_the_same(&scene.server, &undisturbed);
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
