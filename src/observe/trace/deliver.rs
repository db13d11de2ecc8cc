//! One batch of spans to the collector, over a connection that is kept: HTTP as
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp> has it.

use super::{
    encode::{PartialSuccess, partial_success},
    environment::{Exporting, Headers},
};
use crate::http_client::{Answer, exchange, is_timeout, target::Target};
use std::{
    fmt::Write,
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

/// Between the first attempt and the second, less up to a half; twice as long each time after that.
const FIRST_PAUSE_MS: u64 = 500;
const LONGEST_PAUSE_MS: u64 = 8000;

/// A collector that asks for more is asked again nevertheless.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// Why a batch is given up.
pub(crate) enum GivenUp {
    /// The collector has said that it will never take it.
    Refused(String),
    /// No collector has taken it in time.
    TimedOut(String),
}

impl GivenUp {
    pub(crate) fn reason(&self) -> &str {
        match self {
            GivenUp::Refused(reason) | GivenUp::TimedOut(reason) => reason,
        }
    }
}

/// The way to a collector.
pub(crate) struct Delivery {
    target: Target,
    /// A request up to the value of `Content-Length`.
    head: String,
    timeout: Duration,
    /// From the request before.
    kept: Option<TcpStream>,
    /// Until when the collector has asked to be left alone.
    not_before: Option<Instant>,
}

impl Delivery {
    pub(crate) fn new(settings: &Exporting) -> Delivery {
        Delivery {
            head: head(&settings.target, &settings.headers),
            target: settings.target.clone(),
            timeout: settings.timeout,
            kept: None,
            not_before: None,
        }
    }

    /// Sends this body, again where that may help, until the timeout.
    ///
    /// # Errors
    /// Why it is given up.
    pub(crate) fn deliver(&mut self, body: &[u8]) -> Result<Option<PartialSuccess>, GivenUp> {
        let deadline = Instant::now() + self.timeout;
        let mut pause = FIRST_PAUSE_MS;
        self.wait_as_told(deadline)?;
        loop {
            let problem = match self.post(body, deadline) {
                Ok(answer) if answer.status() / 100 == 2 => {
                    return Ok(partial_success(answer.body()));
                }
                Ok(answer) => {
                    let problem = format!("{} {}", answer.status(), answer.telling_line());
                    if !is_passing(answer.status()) {
                        return Err(GivenUp::Refused(problem));
                    }
                    self.not_before = retry_after(&answer).map(|wait| Instant::now() + wait);
                    problem
                }
                Err(problem) => problem,
            };
            let wait = Duration::from_millis(fastrand::u64(pause / 2..=pause));
            let until = self.not_before.unwrap_or_else(|| Instant::now() + wait);
            if until >= deadline {
                return Err(GivenUp::TimedOut(problem));
            }
            thread::sleep(until.saturating_duration_since(Instant::now()));
            self.not_before = None;
            pause = (pause * 2).min(LONGEST_PAUSE_MS);
        }
    }

    fn wait_as_told(&mut self, deadline: Instant) -> Result<(), GivenUp> {
        if let Some(until) = self.not_before {
            if until >= deadline {
                let problem = "the collector has asked to be left alone";
                return Err(GivenUp::TimedOut(problem.to_owned()));
            }
            thread::sleep(until.saturating_duration_since(Instant::now()));
            self.not_before = None;
        }
        Ok(())
    }

    fn post(&mut self, body: &[u8], deadline: Instant) -> Result<Answer, String> {
        let length = format!("{}\r\n\r\n", body.len());
        let request = [self.head.as_bytes(), length.as_bytes(), body].concat();
        // What the collector refused may have no length; its connection ends.
        let is_enough = |answer: &Answer| answer.is_whole() || !answer.has_length();
        if let Some(mut kept) = self.kept.take() {
            // It may have been closed meanwhile, which is no reason to wait.
            if let Ok(answer) = exchange(&mut kept, &request, deadline, is_enough) {
                return Ok(self.keep(kept, answer));
            }
        }
        let mut stream = self.target.connect(deadline)?;
        match exchange(&mut stream, &request, deadline, is_enough) {
            Ok(answer) => Ok(self.keep(stream, answer)),
            Err(error) if is_timeout(&error) => Err("it does not answer in time".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn keep(&mut self, stream: TcpStream, answer: Answer) -> Answer {
        self.kept = Some(stream).filter(|_| answer.keeps_alive());
        answer
    }
}

fn head(target: &Target, headers: &Headers) -> String {
    let mut head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: seaworthy-OTLP/{}\r\nContent-Type: application/x-protobuf\r\n",
        target.path,
        target.authority,
        env!("CARGO_PKG_VERSION"),
    );
    for (name, value) in &headers.0 {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "Content-Length: "
}

/// Whether another attempt may fare better, by OTLP's table of statuses.
fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 502..=504)
}

/// What `Retry-After` says in seconds. A date, which collectors do not send, is left to the pauses between attempts: to read
/// one would weigh as much as the rest of this file.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.field("retry-after")?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER))
}
