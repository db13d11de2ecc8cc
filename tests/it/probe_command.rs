//! `seaworthy probe` is the exec probe of an image without a shell: it must agree with the HTTP probes.

use crate::support::{Command, Engine, Setup, eventually, free_port, get};

fn probe(arguments: &[&str], host: &str, port: u16) -> Command {
    let arguments = [&["probe"], arguments].concat();
    Command::new(&arguments).set("HOST", host).set("PORT", port)
}

#[test]
fn an_exec_probe_tells_alive_from_ready_and_started() {
    let server = Setup::new(Engine::Native)
        .set("STARTUP_DELAY", "60s")
        .start();
    let port = server.address.port();
    probe(&[], "127.0.0.1", port).run().expect(0);
    probe(&["live"], "127.0.0.1", port).run().expect(0);
    probe(&["ready"], "127.0.0.1", port).run().expect(1);
    probe(&["startup"], "127.0.0.1", port).run().expect(1);
    drop(server);

    let server = Setup::new(Engine::Native).start().ready();
    for which in ["live", "ready", "startup"] {
        probe(&[which], "127.0.0.1", server.address.port())
            .run()
            .expect(0);
    }
}

#[test]
fn an_exec_probe_asks_loopback_where_the_server_listens_everywhere() {
    let server = Setup::new(Engine::Native)
        .set("HOST", "0.0.0.0")
        .start()
        .ready();
    for host in ["0.0.0.0", "::", ""] {
        probe(&["ready"], host, server.address.port())
            .run()
            .expect(0);
    }
}

#[test]
fn an_exec_probe_fails_where_nobody_listens() {
    let output = probe(&[], "127.0.0.1", free_port()).run().expect(1);
    assert_ne!(
        output.stderr, "",
        "the kubelet shows this in the pod's events"
    );
}

#[test]
fn an_exec_probe_with_a_bad_word_is_a_usage_error() {
    probe(&["alive"], "127.0.0.1", free_port()).run().expect(64);
}

#[test]
fn an_exec_probe_works_while_the_pod_drains() {
    let server = Setup::new(Engine::Native)
        .set("DRAIN_DELAY", "10s")
        .start()
        .ready();
    server.signal("TERM");
    eventually("the pod is unready", || {
        get(server.address, "/readyz").status == 503
    });
    probe(&["ready"], "127.0.0.1", server.address.port())
        .run()
        .expect(1);
    probe(&["live"], "127.0.0.1", server.address.port())
        .run()
        .expect(0);
}
