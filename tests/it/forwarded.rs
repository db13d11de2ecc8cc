//! `TRUSTED_PROXIES`: who is believed about a client, over sockets.

use seaworthy::{Request, Service};

use crate::service::{end, serve_with};
use crate::support::{Client, Engine, Setup};

both_engines! {
    only_a_trusted_proxy_is_believed_about_its_client,
    the_access_log_names_the_client_that_a_trusted_proxy_names,
}

const FORWARDED: &str = "X-Forwarded-For: 192.0.2.7, 198.51.100.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n";
const STANDARD: &str = "Forwarded: for=\"[2001:db8::7]:4711\";proto=https;host=shop.example\r\n";

fn only_a_trusted_proxy_is_believed_about_its_client(engine: Engine) {
    let who = |request: &Request| {
        let address = request.client_addr().map(|address| address.to_string());
        let host = request.host().unwrap_or("none");
        format!(
            "{} {} {host}",
            address.unwrap_or_default(),
            request.scheme()
        )
    };
    let myself = "127.0.0.1 http test";
    for (trusted, fields, expected) in [
        ("", FORWARDED, myself),
        ("", STANDARD, myself),
        ("10.0.0.0/8", FORWARDED, myself),
        ("127.0.0.1", "", myself),
        ("127.0.0.1", FORWARDED, "198.51.100.9 https shop.example"),
        (
            "127.0.0.0/8, 198.51.100.0/24",
            FORWARDED,
            "192.0.2.7 https shop.example",
        ),
        ("127.0.0.1", STANDARD, "2001:db8::7 https shop.example"),
    ] {
        let service = Service::new("test").get("/", who);
        let running = serve_with(service, engine, &[("TRUSTED_PROXIES", trusted)]);
        let mut client = Client::connect(running.addr());
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        let answer = client.response().expect(200);
        assert_eq!(answer.text(), expected, "{trusted:?}: {fields}");
        end(running);
    }
}

fn the_access_log_names_the_client_that_a_trusted_proxy_names(engine: Engine) {
    for (trusted, expected) in [("127.0.0.1", "198.51.100.9"), ("10.0.0.0/8", "127.0.0.1")] {
        let server = Setup::new(engine)
            .set("TRUSTED_PROXIES", trusted)
            .set("ACCESS_LOG", "all")
            .start()
            .ready();
        let mut client = server.client();
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{FORWARDED}\r\n"));
        client.response().expect(200);
        let record = server.wait_for("an access record", |record| record["msg"] == "request");
        assert_eq!(record["client"], expected, "{record}");
        assert!(
            record["peer"]
                .as_str()
                .unwrap_or_default()
                .starts_with("127.0.0.1:"),
            "{record}"
        );
    }
}
