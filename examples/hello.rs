//! The smallest service there is: `cargo run --example hello`, then `curl localhost:8080/users/ada`.

use seaworthy::{Request, Service};
use std::process::ExitCode;

fn main() -> ExitCode {
    Service::new("hello")
        .get("/", |_: &Request| "Hello!")
        .get("/users/{name}", |request: &Request| {
            format!("Hello, {}!", request.param("name"))
        })
        .run()
}
