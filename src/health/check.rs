//! A check of the service's health, as a program builds it.

use super::{
    state::{CheckKind, HealthStatus},
    workers::Workers,
};
use crate::config::settings::IntoDuration;
use std::{
    fmt::Display,
    sync::Weak,
    time::{Duration, Instant},
};

/// What a check says: nothing, or why it fails.
pub(crate) type Verdict = Result<(), String>;

/// What a check asks: a function of nothing, or of the service's state `S`, which returns nothing or why it fails. `Args`
/// tells them apart, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no question that a check of a service whose state is `{S}` can ask",
    label = "expected `Fn() -> Result<(), impl Display>` or `Fn(&{S}) -> Result<(), impl Display>`",
    note = "a closure has to name its parameter's type: `|state: &{S}| …`"
)]
pub trait Examine<S, Args>: Send + Sync + 'static {
    /// Asks, on the check's own thread.
    ///
    /// # Errors
    /// Why the check fails.
    fn examine(&self, state: &S) -> Result<(), String>;
}

impl<S, F, E> Examine<S, ()> for F
where
    F: Fn() -> Result<(), E> + Send + Sync + 'static,
    E: Display,
{
    fn examine(&self, _: &S) -> Result<(), String> {
        self().map_err(|error| error.to_string())
    }
}

impl<S, F, E> Examine<S, (S,)> for F
where
    F: Fn(&S) -> Result<(), E> + Send + Sync + 'static,
    E: Display,
{
    fn examine(&self, state: &S) -> Result<(), String> {
        self(state).map_err(|error| error.to_string())
    }
}

/// A question that may block; it is told by when it is to be answered.
type Ask<S> = dyn Fn(&S, Instant) -> Verdict + Send + Sync;

/// How a check finds out.
pub(super) enum Question<S> {
    /// By a function, on the check's own thread.
    Blocking(Box<Ask<S>>),
    /// By what is at hand, on the thread of whoever asks.
    AtHand(Box<dyn AtHand>),
}

/// What costs nanoseconds to ask, and so needs neither a thread nor an interval.
pub(super) trait AtHand: Send + Sync {
    fn look(&self) -> Verdict;

    /// Start-up is complete, and these are the service's workers.
    fn begin(&self, _workers: &Weak<dyn Workers>) {}
}

/// A question about the service's health, asked again and again in the background.
///
/// Each check has a thread of its own, `check-NAME`, from the moment the service has started. It runs at once, or
/// [`after`](Check::after) a while, then [`every`](Check::every) so often; probes are answered from the last result and
/// never wait. A check that has not answered within its [`timeout`](Check::timeout) has failed, and so has one that
/// panics. One that is stuck holds its one thread and is not asked again meanwhile.
///
/// What a failure means is said by the constructor, and by [`degraded`](Check::degraded),
/// [`unready`](Check::unready) and [`not_alive`](Check::not_alive). A dependency that all replicas share should degrade
/// them, unless they can do nothing at all without it: else it takes them all out at once when it is slow.
///
/// A [`switch`](Check::switch), a [`heartbeat`](Check::heartbeat) and [`saturation`](Check::saturation) have no
/// thread: they are looked at whenever somebody asks. Intervals, timeouts, thresholds and a state before the first
/// look have no meaning for them, and setting one panics.
pub struct Check<S = ()> {
    pub(super) name: &'static str,
    pub(super) kind: CheckKind,
    /// What it is while it fails.
    pub(super) failing: HealthStatus,
    pub(super) tags: Vec<&'static str>,
    pub(super) question: Question<S>,
    pub(super) schedule: Schedule,
}

/// When to look, and how many results count as one.
pub(super) struct Schedule {
    pub(super) timeout: Duration,
    pub(super) every: Duration,
    pub(super) after: Duration,
    pub(super) fails_after: u32,
    pub(super) recovers_after: u32,
    /// What it is before the first look; `None`: as if it failed.
    pub(super) initially: Option<HealthStatus>,
}

impl Schedule {
    const DEFAULT: Schedule = Schedule {
        timeout: Duration::from_secs(1),
        every: Duration::from_secs(10),
        after: Duration::ZERO,
        fails_after: 1,
        recovers_after: 1,
        initially: None,
    };
}

impl<S: 'static> Check<S> {
    /// A check that `/readyz` depends on: while it fails, the pod gets no traffic from its Service.
    pub fn readiness<Args>(name: &'static str, examine: impl Examine<S, Args>) -> Check<S> {
        Check::blocking(name, move |state: &S, _| examine.examine(state)).unready()
    }

    /// A check that `/livez` and `/healthz` depend on: when it fails, Kubernetes restarts the container. For what a
    /// restart mends, such as a deadlock; never for a dependency that is down.
    pub fn liveness<Args>(name: &'static str, examine: impl Examine<S, Args>) -> Check<S> {
        Check::blocking(name, move |state: &S, _| examine.examine(state)).not_alive()
    }

    /// A check with a thread of its own that degrades.
    pub(super) fn blocking(
        name: &'static str,
        ask: impl Fn(&S, Instant) -> Verdict + Send + Sync + 'static,
    ) -> Check<S> {
        Check::asking(name, Question::Blocking(Box::new(ask)))
    }

    /// A check without a thread that degrades.
    pub(super) fn at_hand(name: &'static str, at_hand: impl AtHand + 'static) -> Check<S> {
        Check::asking(name, Question::AtHand(Box::new(at_hand)))
    }

    fn asking(name: &'static str, question: Question<S>) -> Check<S> {
        Check {
            name,
            kind: CheckKind::Readiness,
            failing: HealthStatus::Degraded,
            tags: Vec::new(),
            question,
            schedule: Schedule::DEFAULT,
        }
    }

    /// While it fails, the service is degraded: every probe passes, `?verbose` and the log tell.
    #[must_use]
    pub fn degraded(self) -> Check<S> {
        Check {
            failing: HealthStatus::Degraded,
            ..self
        }
    }

    /// While it fails, `/readyz` answers 503, and the pod gets no traffic from its Service.
    #[must_use]
    pub fn unready(self) -> Check<S> {
        Check {
            kind: CheckKind::Readiness,
            failing: HealthStatus::Unhealthy,
            ..self
        }
    }

    /// While it fails, `/livez` and `/healthz` answer 503, and Kubernetes restarts the container.
    #[must_use]
    pub fn not_alive(self) -> Check<S> {
        Check {
            kind: CheckKind::Liveness,
            failing: HealthStatus::Unhealthy,
            ..self
        }
    }

    /// How long one look may take before it counts as failed: 1 s unless said otherwise. A look that goes on counts as
    /// one more failure each time another could have come and gone. Ready-made checks give up by themselves by then.
    ///
    /// # Panics
    /// Where it is zero, or a text is no duration such as `250ms`, `5s` or `1m`; and where the check has no thread.
    #[must_use]
    #[track_caller]
    pub fn timeout(self, timeout: impl IntoDuration) -> Check<S> {
        let timeout = positive("timeout", timeout);
        self.scheduled("timeout", |schedule| schedule.timeout = timeout)
    }

    /// How long to rest between two looks: 10 s unless said otherwise.
    ///
    /// # Panics
    /// As [`timeout`](Check::timeout).
    #[must_use]
    #[track_caller]
    pub fn every(self, every: impl IntoDuration) -> Check<S> {
        let every = positive("interval", every);
        self.scheduled("interval", |schedule| schedule.every = every)
    }

    /// How long after start-up to look for the first time: at once unless said otherwise.
    ///
    /// # Panics
    /// Where a text is no duration such as `250ms`, `5s` or `1m`, and where the check has no thread.
    #[must_use]
    #[track_caller]
    pub fn after(self, after: impl IntoDuration) -> Check<S> {
        let after = after.into_duration();
        self.scheduled("delay before the first look", |schedule| {
            schedule.after = after;
        })
    }

    /// How many looks in a row must fail for the check to fail: 1 unless said otherwise.
    ///
    /// # Panics
    /// Where it is 0, and where the check has no thread.
    #[must_use]
    #[track_caller]
    pub fn fails_after(self, looks: u32) -> Check<S> {
        assert!(
            looks > 0,
            "a check fails after 1 look at least, not after 0"
        );
        self.scheduled("threshold", |schedule| schedule.fails_after = looks)
    }

    /// How many looks in a row must pass for a check that fails to pass again: 1 unless said otherwise. The first look
    /// of all is believed at once where it passes.
    ///
    /// # Panics
    /// Where it is 0, and where the check has no thread.
    #[must_use]
    #[track_caller]
    pub fn recovers_after(self, looks: u32) -> Check<S> {
        assert!(
            looks > 0,
            "a check recovers after 1 look at least, not after 0"
        );
        self.scheduled("threshold", |schedule| schedule.recovers_after = looks)
    }

    /// What the check is before its first look has told: as if it failed unless said otherwise. Where
    /// [`fails_after`](Check::fails_after) allows failures, this holds until there have been so many.
    ///
    /// # Panics
    /// Where the check has no thread.
    #[must_use]
    #[track_caller]
    pub fn initially(self, status: HealthStatus) -> Check<S> {
        self.scheduled("state before the first look", |schedule| {
            schedule.initially = Some(status);
        })
    }

    /// Words that belong to the check, beside those that it has. `?tag=word` asks, beside the built-in checks, only
    /// those that have the word.
    ///
    /// # Panics
    /// Where a tag is empty or has anything but letters, digits, `-`, `_` and `.`.
    #[must_use]
    #[track_caller]
    pub fn tags(mut self, tags: impl IntoIterator<Item = &'static str>) -> Check<S> {
        for tag in tags {
            assert!(
                is_plain(tag),
                "{tag:?} is no tag for a check: use letters, digits, - _ and ."
            );
            self.tags.push(tag);
        }
        self
    }

    #[track_caller]
    fn scheduled(mut self, what: &str, set: impl FnOnce(&mut Schedule)) -> Check<S> {
        assert!(
            matches!(self.question, Question::Blocking(_)),
            "the check {:?} is looked at whenever it is asked, so it has no {what}",
            self.name
        );
        set(&mut self.schedule);
        self
    }
}

/// Whether this can stand in a path and in JSON as it is.
pub(super) fn is_plain(word: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !word.is_empty() && word.bytes().all(fits)
}

#[track_caller]
fn positive(what: &str, duration: impl IntoDuration) -> Duration {
    let duration = duration.into_duration();
    assert!(
        !duration.is_zero(),
        "a check's {what} must be longer than 0: write 250ms, 5s or 1m"
    );
    duration
}
