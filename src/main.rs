//! The reference service: deployed as a canary, and an example of everything that the library offers.

mod database;

use database::Database;
use seaworthy::{
    Check, Request, Response, Service, Settings, Stop,
    http::{StatusCode, header},
};
use std::{
    io::{self, Read},
    process::ExitCode,
    thread,
    time::Duration,
};

fn main() -> ExitCode {
    let mut settings = Settings::from_env();
    let database = settings.secret("DATABASE_URL");
    let startup_delay = settings.duration("STARTUP_DELAY", Duration::ZERO);
    let has_demo_endpoints = settings.flag("DEMO_ENDPOINTS", false);
    let database = database.and_then(|url| match Database::parse(url.expose()) {
        Ok(database) => Some(database),
        Err(problem) => {
            settings.reject("DATABASE_URL", problem);
            None
        }
    });

    let mut service = Service::new("seaworthy")
        .version(env!("CARGO_PKG_VERSION"))
        .about("the reference service of the seaworthy library")
        .settings(settings)
        .get("/", |_: &Request| "Hello from Kubernetes!");
    if !startup_delay.is_zero() {
        service = service.on_start("startup delay", move |stop: &Stop| {
            stop.wait(startup_delay);
        });
    }
    if let Some(database) = database {
        service = service.check(
            Check::tcp("database", database.host, database.port)
                .unready()
                .every("5s"),
        );
    }
    if has_demo_endpoints {
        service = with_demo_endpoints(service);
    }
    service.run()
}

/// What `DEMO_ENDPOINTS=true` adds: ways to see how the service behaves when a handler does not.
fn with_demo_endpoints(service: Service) -> Service {
    let (check, switch) = Check::switch("enabled");
    let off = switch.clone();
    service
        .check(check)
        .get("/delay/{seconds}", delay)
        .get("/status/{code}", status)
        .get("/panic", |_: &Request| -> () { panic!("asked to panic") })
        .post("/echo", |request: &Request| request.body().to_vec())
        .get("/headers", headers)
        .get("/bytes/{n}", bytes)
        .post("/readyz/disable", move |_: &Request| off.off())
        .post("/readyz/enable", move |_: &Request| switch.on())
}

type Answer = Result<Response, (StatusCode, &'static str)>;

fn delay(request: &Request) -> Result<String, (StatusCode, &'static str)> {
    const LONGEST: Duration = Duration::from_secs(3600);
    let seconds = request.param("seconds");
    let time = parse_seconds(seconds)
        .filter(|time| *time <= LONGEST)
        .ok_or((
            StatusCode::BAD_REQUEST,
            "expected a number of seconds from 0 to 3600",
        ))?;
    thread::sleep(time);
    Ok(format!("waited {seconds} s"))
}

/// `2` or `0.25`. Parsing floats would weigh 14 KB, for a table of powers.
fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

fn status(request: &Request) -> Answer {
    let code = request
        .param("code")
        .parse::<u16>()
        .ok()
        .filter(|code| (200..=599).contains(code));
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    code.map(Response::new).ok_or((
        StatusCode::BAD_REQUEST,
        "expected a status code from 200 to 599",
    ))
}

fn headers(request: &Request) -> String {
    let lines = request.headers().iter();
    lines
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

fn bytes(request: &Request) -> Answer {
    let wanted = request.param("n").parse::<u64>();
    let wanted = wanted.map_err(|_| (StatusCode::BAD_REQUEST, "expected a number of bytes"))?;
    let response = Response::stream_sized(io::repeat(b'x').take(wanted), wanted);
    Ok(response.with_header(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain"),
    ))
}
