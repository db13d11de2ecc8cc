//! A check with what is known of it: looked at on a thread of its own, read by anybody.

use super::{
    check::{AtHand, Check, Question, Schedule, Verdict},
    state::{CheckKind, CheckState, HealthStatus},
    workers::Workers,
};
use crate::{observe::panics, phase::Stop, spawn};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

/// A check with what is known of it.
pub(crate) struct CachedCheck {
    name: &'static str,
    kind: CheckKind,
    failing: HealthStatus,
    tags: Vec<&'static str>,
    asked: Asked,
    schedule: Schedule,
    known: Mutex<Known>,
}

/// The check's question, with the state that it is about.
enum Asked {
    Blocking(Box<dyn Fn(Instant) -> Verdict + Send + Sync>),
    AtHand(Box<dyn AtHand>),
}

#[derive(Default)]
struct Known {
    /// Whether it fails, as the thresholds have it; `None` before the first look has told.
    fails: Option<bool>,
    failures_in_a_row: u32,
    passes_in_a_row: u32,
    last_error: Option<String>,
    looked_at: Option<Instant>,
    looking_since: Option<Instant>,
    /// What the log was last told, so that it is told of changes only.
    logged: Option<(HealthStatus, Option<String>)>,
    /// How many looks have passed, and how many have failed.
    passes: u64,
    failures: u64,
}

impl CachedCheck {
    /// A check that asks about this state; the service's, which ends with it.
    pub(crate) fn new<S: Send + Sync + 'static>(check: Check<S>, state: &Arc<S>) -> CachedCheck {
        let state = Arc::clone(state);
        CachedCheck {
            name: check.name,
            kind: check.kind,
            failing: check.failing,
            tags: check.tags,
            asked: match check.question {
                Question::Blocking(ask) => Asked::Blocking(Box::new(move |by| ask(&state, by))),
                Question::AtHand(at_hand) => Asked::AtHand(at_hand),
            },
            schedule: check.schedule,
            known: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn kind(&self) -> CheckKind {
        self.kind
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.tags.contains(&tag)
    }

    /// How many looks have passed, and how many have failed.
    pub(super) fn looks(&self) -> (u64, u64) {
        let known = self.lock();
        (known.passes, known.failures)
    }

    /// Start-up is complete. Starts the check's thread, where it needs one.
    pub(crate) fn start(self: &Arc<CachedCheck>, stop: &Stop, workers: &Weak<dyn Workers>) {
        if let Asked::AtHand(at_hand) = &self.asked {
            return at_hand.begin(workers);
        }
        let (check, stop) = (Arc::clone(self), stop.clone());
        let name = format!("check-{}", self.name);
        let run = move || check.look_until(&stop);
        if let Err(error) = spawn::named(name, run) {
            let mut known = self.lock();
            known.fails = Some(true);
            known.last_error = Some(format!("its thread could not be started: {error}"));
        }
    }

    fn look_until(&self, stop: &Stop) {
        let mut stopped = stop.wait(self.schedule.after);
        while !stopped {
            self.look();
            stopped = stop.wait(self.schedule.every);
        }
    }

    /// What a probe is told now, and what others may know. Logs it where it has changed. Never waits.
    pub(crate) fn state(&self) -> CheckState {
        let mut known = self.lock();
        if let Asked::AtHand(at_hand) = &self.asked {
            let verdict = at_hand.look();
            known.record(verdict, 1, &self.schedule);
        }
        let overdue = self.times_overdue(known.looking_since);
        if overdue > 0 {
            known.last_error = Some(format!("no answer within {:?}", self.schedule.timeout));
        }
        let fails = match known.failures_in_a_row.saturating_add(overdue) {
            failures if overdue > 0 && failures >= self.schedule.fails_after => Some(true),
            _ => known.fails,
        };
        let status = match fails {
            Some(false) => HealthStatus::Healthy,
            Some(true) => self.failing,
            None => self.schedule.initially.unwrap_or(self.failing),
        };
        if fails.is_some() {
            self.log_change(&mut known, status);
        }
        CheckState {
            name: self.name,
            kind: self.kind,
            status,
            age: known.looked_at.map(|moment| moment.elapsed()),
            last_error: known.last_error.clone(),
            tags: self.tags.clone(),
        }
    }

    /// One look, on the check's own thread.
    fn look(&self) {
        let Asked::Blocking(ask) = &self.asked else {
            return;
        };
        let timeout = self.schedule.timeout;
        let started = Instant::now();
        self.lock().looking_since = Some(started);
        let verdict = panics::catch(|| ask(started + timeout))
            .unwrap_or_else(|panicked| Err(format!("panicked: {panicked}")));
        let overdue = self.times_overdue(Some(started));
        let verdict = match overdue {
            0 => verdict,
            _ => Err(format!(
                "took {:.1?}, over its timeout of {timeout:?}",
                started.elapsed()
            )),
        };
        let mut known = self.lock();
        known.looking_since = None;
        known.record(verdict, overdue.max(1), &self.schedule);
        drop(known);
        let _ = self.state();
    }

    /// How many failures a look amounts to that goes on since then: one when its time is up, and one more each time
    /// that another look could have come and gone.
    fn times_overdue(&self, since: Option<Instant>) -> u32 {
        let Schedule { timeout, every, .. } = self.schedule;
        let elapsed = since.map_or(Duration::ZERO, |since| since.elapsed());
        match elapsed.checked_sub(timeout) {
            None | Some(Duration::ZERO) => 0,
            Some(over) => (over.div_duration_f64(timeout + every) as u32).saturating_add(1),
        }
    }

    fn log_change(&self, known: &mut Known, status: HealthStatus) {
        let reason = match status {
            HealthStatus::Healthy => None,
            _ => known.last_error.clone(),
        };
        let now = (status, reason);
        if known.logged.as_ref() == Some(&now) {
            return;
        }
        match &now {
            (HealthStatus::Healthy, _) if known.logged.is_none() => {}
            (HealthStatus::Healthy, _) => log::info!(check = self.name; "check passes again"),
            (_, reason) => {
                log::warn!(check = self.name, status = status.name(), reason = reason.as_deref(); "check failed");
            }
        }
        known.logged = Some(now);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Takes in a result that counts so many times.
    fn record(&mut self, verdict: Verdict, times: u32, schedule: &Schedule) {
        self.looked_at = Some(Instant::now());
        match verdict {
            Ok(()) => {
                self.passes += 1;
                self.failures_in_a_row = 0;
                self.passes_in_a_row = self.passes_in_a_row.saturating_add(times);
                if self.fails != Some(true) || self.passes_in_a_row >= schedule.recovers_after {
                    self.fails = Some(false);
                }
            }
            Err(reason) => {
                self.failures += 1;
                self.passes_in_a_row = 0;
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(times);
                self.last_error = Some(reason);
                if self.failures_in_a_row >= schedule.fails_after {
                    self.fails = Some(true);
                }
            }
        }
    }
}
