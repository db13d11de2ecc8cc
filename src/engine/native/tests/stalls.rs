//! Time that passes while the engine does not run.

use super::*;

/// Longer than the timeouts here, within which a busy machine gets to what it has begun.
const STALL: Duration = Duration::from_millis(1200);

#[test]
fn three_hundred_requests_that_came_during_a_stall_are_all_answered() {
    const CONNECTIONS: usize = 300;
    let engine = engine("KEEP_ALIVE_TIMEOUT", "1s");
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| connect(&*engine)).collect();
    // A new connection has nothing but its deadline to go by, an idle one too.
    for round in ["new", "idle"] {
        for client in &mut clients {
            client.write_all(GET).unwrap();
        }
        thread::sleep(STALL);
        let mut served = 0;
        while served < CONNECTIONS {
            let mut ready = Vec::new();
            engine.pull(0, Some(Instant::now() + NEVER), &mut ready);
            assert!(!ready.is_empty(), "{served} of {CONNECTIONS}, {round}");
            let most = 200 * reactors();
            assert!(
                ready.len() <= most,
                "{} at once fill any queue",
                ready.len()
            );
            served += ready.len();
            for one in ready {
                match one {
                    Ready::Request(exchange) => answer(exchange),
                    Ready::Stream(_) | Ready::Piece(_) | Ready::Discarded(_) => {
                        panic!("no request")
                    }
                }
            }
        }
        clients.iter_mut().for_each(expect_answer);
    }
}

#[test]
fn a_download_whose_client_has_read_during_a_stall_is_finished() {
    const SIZE: usize = 32 << 20;
    let engine = engine("WRITE_TIMEOUT", "1s");
    let mut client = ask(&*engine);
    let exchange = requests(&*engine, 1).remove(0);
    let body = crate::message::body::Body::Bytes(vec![b'x'; SIZE]);
    let response = Response {
        body,
        ..Response::new(StatusCode::OK)
    };
    exchange.respond(response, true);
    // The engine knows that the client takes no more, and then stands still.
    pull_for(&*engine, Duration::from_millis(20));
    let mut received = 0;
    let mut piece = vec![0; 1 << 20];
    client.set_read_timeout(Some(MOMENT)).unwrap();
    while let Ok(count) = read(&mut client, &mut piece) {
        assert_ne!(count, 0, "it was cut before the stall");
        received += count;
    }
    assert!(received < SIZE, "it waits for nothing");
    thread::sleep(STALL);
    client.set_read_timeout(Some(NEVER)).unwrap();
    let reading = thread::spawn(move || {
        while received < SIZE {
            match read(&mut client, &mut piece) {
                Ok(count) if count > 0 => received += count,
                _ => return false,
            }
        }
        true
    });
    while !reading.is_finished() {
        pull_for(&*engine, Duration::from_millis(20));
    }
    assert!(reading.join().unwrap(), "it was cut");
}
