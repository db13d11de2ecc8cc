//! Settings that are one word of a few.

use log::LevelFilter;

/// How a log record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object on each line, with the keys of Go's slog.
    Json,
    /// A line for people to read.
    Text,
}

/// Which requests get a log record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// None.
    Off,
    /// Those that the server failed to answer as it should.
    Errors,
    /// All of them; probes only where the log level is `debug` or `trace`.
    All,
}

/// What turns sockets into requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpEngine {
    /// seaworthy's own: non-blocking sockets, everything bounded and timed.
    Native,
    /// The `tiny_http` crate, the plainest possible and portable. With the Cargo feature `tiny_http`, which is on by
    /// default.
    #[cfg(feature = "tiny_http")]
    TinyHttp,
}

impl HttpEngine {
    /// The engine where `HTTP_ENGINE` is unset.
    pub const DEFAULT: HttpEngine = HttpEngine::Native;

    /// As the configuration and the log call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            HttpEngine::Native => "native",
            #[cfg(feature = "tiny_http")]
            HttpEngine::TinyHttp => "tiny_http",
        }
    }
}

pub(crate) const LOG_LEVELS: &[(&str, LevelFilter)] = &[
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
];
pub(super) const LOG_FORMATS: &[(&str, LogFormat)] =
    &[("json", LogFormat::Json), ("text", LogFormat::Text)];
pub(super) const ACCESS_LOGS: &[(&str, AccessLog)] = &[
    ("off", AccessLog::Off),
    ("errors", AccessLog::Errors),
    ("all", AccessLog::All),
];
pub(super) const HTTP_ENGINES: &[(&str, HttpEngine)] = &[
    ("native", HttpEngine::Native),
    #[cfg(feature = "tiny_http")]
    ("tiny_http", HttpEngine::TinyHttp),
];
