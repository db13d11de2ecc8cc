//! seaworthy's own settings: their defaults, their ranges, and the rules between them.

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use choices::{ACCESS_LOGS, HTTP_ENGINES, LOG_FORMATS, LOG_LEVELS};
pub use choices::{AccessLog, HttpEngine, LogFormat};
use derived::{
    GIB, KIB, MIB, buffer_memory, max_body_bytes, max_connections, queue_capacity, reactors,
    workers,
};

use sizes::{Sizes, Sizing};

use super::ip_range::IpRange;
use super::limits::Limits;
use super::settings::{Secret, Settings, SettingsError, show_duration};

pub(crate) mod choices;
mod derived;
pub(crate) mod live;
pub(crate) mod sizes;
#[cfg(test)]
mod tests;

/// At least as many as a kubelet's probe has, or no pod would ever be ready. At most as many as nginx takes by default: a
/// header is found by comparing its name with each, which a client must not be able to make expensive.
const HEADERS: RangeInclusive<u64> = 4..=1000;

/// The first answer may be the last. The upper bound is only there because every number has one.
const CONNECTION_REQUESTS: RangeInclusive<u64> = 1..=1_000_000_000;

/// A wait that is to be bounded: there is no value for "for ever", and zero would refuse everyone.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=LONGEST_TIMEOUT;
/// A phase of the shutdown, which zero leaves out.
const PHASES: RangeInclusive<Duration> = Duration::ZERO..=LONGEST_TIMEOUT;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// Between the end of the shutdown timeout and the kubelet's SIGKILL: to cut what is left, report and exit.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(2);

/// What seaworthy is configured with, each field from the setting of its name.
///
/// [`Config::default`] has every default; for others read settings, or change the fields of a `Config` at hand:
/// ```
/// let mut config = seaworthy::Config::default();
/// config.port = 0;
/// ```
/// `workers`, `queue_capacity`, `max_connections` and `buffer_memory` are where the service begins: it follows the limits
/// of its cgroup as they change, but for those that were set or that the program has changed.
///
/// A timeout that is longer than a day, as [`Duration::MAX`] is, counts as a day, and none is shorter than a millisecond.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// `HOST`: the address to bind; `None`, the default, is `::` for IPv6 and IPv4, or `0.0.0.0` where IPv6 is off.
    pub host: Option<IpAddr>,
    /// `PORT`: the port to bind, 8080 by default; 0 picks a free one.
    pub port: u16,
    /// `ADMIN_PORT`: where set, `/metrics` and the pages (`/statusz`, `/flagz`, `/threadz`, `/tracez`) are there only, and
    /// the probes there too; 0 picks a free port. Never the same as `port`, unless both are 0.
    pub admin_port: Option<u16>,
    /// `ADMIN_TOKEN`: what whoever changes anything by the admin port has to send as a bearer token; unset by default, and
    /// then nobody can.
    pub admin_token: Option<Secret>,
    /// `TRUSTED_PROXIES`: whose `Forwarded` and `X-Forwarded-*` are believed, addresses and ranges; nobody's by default.
    pub trusted_proxies: Vec<IpRange>,
    /// `LOG_LEVEL`: the least important level that is logged, `info` by default.
    pub log_level: LevelFilter,
    /// `LOG_FORMAT`: text where stdout is a terminal, else JSON.
    pub log_format: LogFormat,
    /// `ACCESS_LOG`: which requests get a log record of their own, those that fail by default.
    pub access_log: AccessLog,
    /// `HTTP_ENGINE`: what turns sockets into requests, [`HttpEngine::DEFAULT`] by default.
    pub http_engine: HttpEngine,
    /// `WORKERS`: how many handlers run at once, 1 to 1024; [`Limits::default_workers`] by default.
    pub workers: usize,
    /// `REACTORS`: how many threads at a time drive the sockets of [`HttpEngine::Native`], each with connections of its
    /// own, 1 to 64; by default one for each two CPUs that the quota allows (else the CPUs), rounded up and at most 8. It
    /// stays what it was at the start when the quota changes.
    pub reactors: usize,
    /// `QUEUE_CAPACITY`: how many requests may wait for a worker, 64 for each worker by default; 0 for none.
    pub queue_capacity: usize,
    /// `QUEUE_TIMEOUT`: how long a request may wait for a worker, 10 s by default.
    pub queue_timeout: Duration,
    /// `MAX_CONNECTIONS`: how many connections may be open; by default one for each 6 KiB of the memory limit and at
    /// most 10000. Never above the descriptor limit less 32, and less 4 for each reactor after the first, of which an upload
    /// takes another. Who makes room for a newcomer, the `guide` says, on its page about configuration.
    pub max_connections: usize,
    /// `BUFFER_MEMORY`: bytes that requests and unsent responses may take together, half of it for either and 64 KiB at
    /// least; by default a quarter of the memory limit, 256 MiB without one.
    pub buffer_memory: usize,
    /// `MIN_BODY_RATE`: bytes a second, 240 by default and up to 1 GiB; a client that is 5 s behind it, in sending a request
    /// or in taking an answer, is the first to be closed where `BUFFER_MEMORY` or `MAX_CONNECTIONS` is used up, and is told
    /// 408 at once where its body goes to an [`Upload`](crate::Upload). With 0 none is too slow, and such a body may rest
    /// for `BODY_TIMEOUT` at a time.
    pub min_body_rate: u32,
    /// `MAX_HEAD_BYTES`: bytes of a request's line and fields together, 32 KiB by default, 1 KiB to 1 MiB.
    pub max_head_bytes: usize,
    /// `MAX_HEADERS`: header fields of a request, 100 by default, 4 to 1000.
    pub max_headers: usize,
    /// `MAX_BODY_BYTES`: bytes of a request's body, 1 MiB by default; 0 takes no bodies. Never above half of
    /// `BUFFER_MEMORY`, for which it is lowered.
    pub max_body_bytes: usize,
    /// `HEAD_TIMEOUT`: how long a request's head may take to arrive from its first byte on, 10 s by default.
    pub head_timeout: Duration,
    /// `BODY_TIMEOUT`: how long a request's body may take to arrive, 30 s by default; one that goes to an
    /// [`Upload`](crate::Upload) may take as long as it keeps `MIN_BODY_RATE`.
    pub body_timeout: Duration,
    /// `WRITE_TIMEOUT`: how long a client may take to accept each 64 KiB of a response, or what is left of it, 30 s by
    /// default; it does not run while there is nothing for it to take. Past it the connection is cut.
    pub write_timeout: Duration,
    /// `KEEP_ALIVE_TIMEOUT`: how long a connection may be idle before its first request and between two, 75 s by default.
    /// It should be longer than what the load balancers and clients in front allow; the `guide` has a table of those, on
    /// its page about the life of a pod.
    pub keep_alive_timeout: Duration,
    /// `MAX_CONNECTION_AGE`: an answer that a connection gets when it is that old is its last one and says so, give or
    /// take a tenth that is each connection's own; unset by default.
    pub max_connection_age: Option<Duration>,
    /// `MAX_CONNECTION_REQUESTS`: the same after so many answers; unset by default.
    pub max_connection_requests: Option<u64>,
    /// `REQUEST_TIMEOUT`: what [`Request::deadline`](crate::Request::deadline) tells handlers, counted from the request's
    /// head; unset by default. A group of routes may have its own.
    pub request_timeout: Option<Duration>,
    /// `DRAIN_DELAY`: how long to serve on after SIGTERM while endpoints are updated, 5 s by default; 0 leaves it out.
    pub drain_delay: Duration,
    /// `SHUTDOWN_TIMEOUT`: how long requests in flight then have to finish, 20 s by default.
    pub shutdown_timeout: Duration,
    /// `CONFIG_DIR`: a mounted directory with one file for each setting, which was read where variables say nothing;
    /// [`Service::run`](crate::Service::run) follows its changes. Unset by default.
    pub config_dir: Option<PathBuf>,
    /// `TERMINATION_GRACE_PERIOD`: what the pod's `terminationGracePeriodSeconds` says, so that a drain that does not
    /// fit in it is an error at start and not a SIGKILL at the end; unset by default.
    pub termination_grace_period: Option<Duration>,
    /// Which sizes follow the limits, and what they were when this was read.
    pub(crate) sizing: Sizing,
    pub(crate) sized: Sizes,
}

impl Config {
    /// Reads every setting that is seaworthy's own. What is bad is remembered in `settings` and has its default here,
    /// so that a service can read its own settings too before it asks [`Settings::finish`].
    pub fn from_settings(settings: &mut Settings, limits: &Limits) -> Config {
        settings.read_again_later(|settings| Config::read(settings, limits))
    }

    fn read(settings: &mut Settings, limits: &Limits) -> Config {
        let host = host(settings);
        let port = settings.number("PORT", 8080, 0..=65535) as u16;
        let admin_port = settings
            .optional_number("ADMIN_PORT", 0..=65535)
            .map(|port| port as u16);
        let admin_token = settings.secret("ADMIN_TOKEN");
        let trusted_proxies = settings.list_of(
            "TRUSTED_PROXIES",
            "an address or a range such as 10.0.0.0/8",
        );
        let log_level = settings
            .read_live(|settings| settings.choice("LOG_LEVEL", LevelFilter::Info, LOG_LEVELS));
        let log_format = log_format(settings);
        let access_log = settings
            .read_live(|settings| settings.choice("ACCESS_LOG", AccessLog::Errors, ACCESS_LOGS));
        let http_engine = http_engine(settings);
        let workers = workers(settings, limits);
        let reactors = reactors(settings, limits);
        let queue_capacity = queue_capacity(settings, workers);
        let queue_timeout = timeout(settings, "QUEUE_TIMEOUT", 10);
        let max_connections = max_connections(settings, limits, reactors);
        let buffer_memory = buffer_memory(settings, limits);
        let min_body_rate = settings.size_within("MIN_BODY_RATE", 240, 0..=GIB) as u32;
        let max_head_bytes = settings.size_within("MAX_HEAD_BYTES", 32 * KIB, KIB..=MIB) as usize;
        let max_headers = settings.number("MAX_HEADERS", 100, HEADERS) as usize;
        let (wanted_body_bytes, max_body_bytes) = max_body_bytes(settings, buffer_memory);
        let sized = Sizes {
            workers,
            queue_capacity,
            max_connections,
            buffer_memory,
            max_body_bytes,
        };
        let config = Config {
            host,
            port,
            admin_port,
            admin_token,
            trusted_proxies,
            log_level,
            log_format,
            access_log,
            http_engine,
            workers,
            reactors,
            queue_capacity,
            queue_timeout,
            max_connections,
            buffer_memory,
            min_body_rate,
            max_head_bytes,
            max_headers,
            max_body_bytes,
            head_timeout: timeout(settings, "HEAD_TIMEOUT", 10),
            body_timeout: timeout(settings, "BODY_TIMEOUT", 30),
            write_timeout: timeout(settings, "WRITE_TIMEOUT", 30),
            keep_alive_timeout: timeout(settings, "KEEP_ALIVE_TIMEOUT", 75),
            max_connection_age: settings
                .read_live(|settings| settings.optional_duration("MAX_CONNECTION_AGE", TIMEOUTS)),
            max_connection_requests: settings
                .optional_number("MAX_CONNECTION_REQUESTS", CONNECTION_REQUESTS),
            request_timeout: settings
                .read_live(|settings| settings.optional_duration("REQUEST_TIMEOUT", TIMEOUTS)),
            drain_delay: phase(settings, "DRAIN_DELAY", 5),
            shutdown_timeout: phase(settings, "SHUTDOWN_TIMEOUT", 20),
            termination_grace_period: settings
                .optional_duration("TERMINATION_GRACE_PERIOD", PHASES),
            sizing: Sizing::of(settings, &sized, wanted_body_bytes, reactors),
            sized,
            config_dir: settings.optional("CONFIG_DIR").map(PathBuf::from),
        };
        config.check_ports(settings);
        config.check_grace_period(settings);
        config
    }

    /// The configuration that `pairs` of a setting's name and its value give, with the limits of this process; for
    /// tests and for embedding. A name that is no setting of seaworthy's is ignored, as it would be in the environment.
    ///
    /// # Errors
    /// Every bad setting, each on a line of its own.
    pub fn from_pairs<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Config, SettingsError> {
        let mut settings = Settings::from_pairs(pairs);
        let config = Config::from_settings(&mut settings, &Limits::read());
        settings.finish().map(|()| config)
    }

    /// With the timeouts that a setting could have: a field takes any, and to the longest no clock reading can be added.
    pub(crate) fn bounded(mut self) -> Config {
        let waits = [
            &mut self.queue_timeout,
            &mut self.head_timeout,
            &mut self.body_timeout,
            &mut self.write_timeout,
            &mut self.keep_alive_timeout,
        ];
        let optional = self.request_timeout.iter_mut();
        let optional = optional.chain(&mut self.max_connection_age);
        for wait in waits.into_iter().chain(optional) {
            *wait = (*wait).clamp(*TIMEOUTS.start(), LONGEST_TIMEOUT);
        }
        self.drain_delay = self.drain_delay.min(LONGEST_TIMEOUT);
        self.shutdown_timeout = self.shutdown_timeout.min(LONGEST_TIMEOUT);
        self
    }

    /// Which sizes follow the limits. One that the program has changed since it was read does not.
    pub(crate) fn sizing(&self) -> Sizing {
        let (read, now) = (self.sized, self.sizes());
        let changed = |read: usize, now: usize| (read != now).then_some(now);
        let sizing = self.sizing.clone();
        let body_bytes = changed(read.max_body_bytes, now.max_body_bytes);
        Sizing {
            workers: changed(read.workers, now.workers).or(sizing.workers),
            queue_capacity: changed(read.queue_capacity, now.queue_capacity)
                .or(sizing.queue_capacity),
            max_connections: changed(read.max_connections, now.max_connections)
                .or(sizing.max_connections),
            buffer_memory: changed(read.buffer_memory, now.buffer_memory).or(sizing.buffer_memory),
            max_body_bytes: body_bytes.unwrap_or(sizing.max_body_bytes),
            reactors: self.reactors,
            root: sizing.root,
        }
    }

    /// The sizes as they are here.
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            workers: self.workers,
            queue_capacity: self.queue_capacity,
            max_connections: self.max_connections,
            buffer_memory: self.buffer_memory,
            max_body_bytes: self.max_body_bytes,
        }
    }

    fn check_ports(&self, settings: &mut Settings) {
        let same = self.port != 0 && self.admin_port == Some(self.port);
        if same && !settings.is_bad("PORT") {
            settings.reject(
                "ADMIN_PORT",
                "the same as PORT: expected another port, or none",
            );
        }
    }

    fn check_grace_period(&self, settings: &mut Settings) {
        let needed = self.drain_delay + self.shutdown_timeout + SHUTDOWN_MARGIN;
        let blameless = !settings.is_bad("DRAIN_DELAY") && !settings.is_bad("SHUTDOWN_TIMEOUT");
        if blameless
            && self
                .termination_grace_period
                .is_some_and(|granted| granted < needed)
        {
            let problem = format!(
                "too short for DRAIN_DELAY {} and SHUTDOWN_TIMEOUT {} and a margin of {}: expected at least {}",
                show_duration(self.drain_delay),
                show_duration(self.shutdown_timeout),
                show_duration(SHUTDOWN_MARGIN),
                show_duration(needed),
            );
            settings.reject("TERMINATION_GRACE_PERIOD", &problem);
        }
    }
}

impl Default for Config {
    /// Every default, with the limits of this process.
    fn default() -> Config {
        Config::from_settings(&mut Settings::from_pairs([]), &Limits::read())
    }
}

fn host(settings: &mut Settings) -> Option<IpAddr> {
    let host = settings.parse_optional("HOST", "an IP address such as ::, 0.0.0.0 or 127.0.0.1");
    if host.is_none() && !settings.is_bad("HOST") {
        let meaning = "IPv6 and IPv4, or 0.0.0.0 where IPv6 is off";
        settings.adjust("HOST", "::".to_owned(), meaning.to_owned());
    }
    host
}

fn http_engine(settings: &mut Settings) -> HttpEngine {
    if cfg!(not(feature = "tiny_http"))
        && settings.optional("HTTP_ENGINE").as_deref() == Some("tiny_http")
    {
        let problem = "this program was built without the Cargo feature tiny_http: expected native";
        settings.reject("HTTP_ENGINE", problem);
        return HttpEngine::DEFAULT;
    }
    settings.choice("HTTP_ENGINE", HttpEngine::DEFAULT, HTTP_ENGINES)
}

fn log_format(settings: &mut Settings) -> LogFormat {
    let terminal = io::stdout().is_terminal();
    let default = if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    };
    let format = settings.choice("LOG_FORMAT", default, LOG_FORMATS);
    let reason = if terminal {
        "stdout is a terminal"
    } else {
        "stdout is no terminal"
    };
    settings.explain_default("LOG_FORMAT", reason.to_owned());
    format
}

fn timeout(settings: &mut Settings, name: &'static str, default_seconds: u64) -> Duration {
    let default = Duration::from_secs(default_seconds);
    settings.read_live(|settings| settings.duration_within(name, default, TIMEOUTS))
}

fn phase(settings: &mut Settings, name: &'static str, default_seconds: u64) -> Duration {
    let default = Duration::from_secs(default_seconds);
    settings.read_live(|settings| settings.duration_within(name, default, PHASES))
}
