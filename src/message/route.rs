//! What a request knows of its route.

use crate::{
    config::{ip_range::IpRange, table::live::LiveConfig},
    phase::State,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// The template that a request's path matched. The handlers are the router's.
pub(crate) struct Route {
    /// The template as the log has it, once the service has been bound: for as long as the process lives.
    pub(crate) logged_as: &'static str,
    /// Its place among the routes.
    pub(crate) index: usize,
    pub(crate) template: String,
    /// The template's parameters in order, without braces or star.
    pub(crate) params: Vec<String>,
    /// What its requests' deadlines are counted with, where that is not `REQUEST_TIMEOUT`.
    pub(crate) timeout: Option<Duration>,
    /// The most bytes that a body may have, where that is not `MAX_BODY_BYTES`.
    pub(crate) body_limit: Option<u64>,
    /// Its handler takes the body as it comes, and runs when the head is there.
    pub(crate) takes_flowing_body: bool,
    /// None before the service has been bound.
    pub(crate) service: Option<Arc<ServiceFacts>>,
    pub(crate) cost: Cost,
    pub(crate) cpu_use: CpuUse,
}

/// What a request can learn of its service.
pub(crate) struct ServiceFacts {
    pub(crate) state: Arc<State>,
    pub(crate) live: Arc<LiveConfig>,
    pub(crate) trusted_proxies: Vec<IpRange>,
    /// Requests that were told 503 because too many ran at once of those that share a limit.
    pub(crate) shed_by_limits: Arc<AtomicU64>,
}

impl Route {
    pub(crate) fn new(index: usize, template: &str) -> Route {
        Route {
            logged_as: "",
            index,
            template: template.to_owned(),
            params: parameters(template),
            timeout: None,
            body_limit: None,
            takes_flowing_body: false,
            service: None,
            cost: Cost::default(),
            cpu_use: CpuUse::default(),
        }
    }
}

impl Route {
    /// Gives it what it has of its service, before the first request.
    pub(crate) fn finish(&mut self, service: &Arc<ServiceFacts>) {
        self.logged_as = Box::leak(self.template.clone().into_boxed_str());
        self.service = Some(Arc::clone(service));
    }
}

/// How long a route's handlers take, as the pool has seen: an average over about the last eight runs.
pub(crate) struct Cost(AtomicU32);

impl Cost {
    /// The most that is ever expected; it is more than any handover costs, and more need not be known.
    const LONGEST: Duration = Duration::from_millis(1);
    const UNKNOWN: u32 = u32::MAX;

    /// The expected run time; a route that never ran may take any time.
    pub(crate) fn expected(&self) -> Duration {
        match self.0.load(Relaxed) {
            Cost::UNKNOWN => Cost::LONGEST,
            nanos => Duration::from_nanos(nanos.into()),
        }
    }

    /// Takes a run into the average. A run far above it counts as four times it: one pause of the whole process (a
    /// throttled quota, a busy neighbour) must not mark a short route as a long one, and a route that has turned slow
    /// is known for it after a few runs all the same.
    pub(crate) fn record(&self, took: Duration) {
        let sample = took.min(Cost::LONGEST).as_nanos() as u32;
        let average = match self.0.load(Relaxed) {
            Cost::UNKNOWN => sample,
            average => average - average / 8 + sample.min(4 * average + Cost::LEAST_STEP) / 8,
        };
        self.0.store(average, Relaxed);
    }

    /// Lets an average of next to nothing grow at all; in nanoseconds.
    const LEAST_STEP: u32 = 8_000;
}

impl Default for Cost {
    fn default() -> Cost {
        Cost(AtomicU32::new(Cost::UNKNOWN))
    }
}

/// Whether a route's handlers compute from beginning to end, as samples of them have shown.
///
/// By what the kernel has counted and not by the time that it took: a thread whose process has used up its CPU quota
/// stands still too. A route that computes, and waits once in a while, is taken for one that computes ever more rarely.
#[derive(Default)]
pub(crate) struct CpuUse {
    /// How many samples in a row have computed; or else, above [`RESTED`](CpuUse::RESTED), how many runs more are none.
    state: AtomicU32,
    /// How often it was taken for one that computes, and waited then.
    relapses: AtomicU32,
}

impl CpuUse {
    /// So many samples in a row are enough at first, and after each relapse twice as many.
    const ENOUGH: u32 = 64;
    const MOST_RELAPSES: u32 = 10;

    /// After a sample that waited, eight runs are none, since sampling takes four system calls: counted down to this.
    const RESTED: u32 = u32::MAX - 8;

    /// A handler that computes for less is not worth a turn.
    const LEAST: Duration = Duration::from_micros(200);

    pub(crate) fn is_computing(&self) -> bool {
        self.state.load(Relaxed) == self.enough()
    }

    /// Whether the run that begins now is a sample.
    pub(crate) fn is_sampled(&self) -> bool {
        let state = self.state.load(Relaxed);
        let rests = state > CpuUse::RESTED;
        if rests {
            self.state.store(state - 1, Relaxed);
        }
        !rests
    }

    /// Takes a sample into account: how much CPU time it has used, and whether it has waited for something that counts.
    pub(crate) fn record(&self, cpu_time: Duration, has_waited: bool) {
        let enough = self.enough();
        let in_a_row = Some(self.state.load(Relaxed)).filter(|state| *state <= enough);
        if cpu_time >= CpuUse::LEAST && !has_waited {
            let in_a_row = in_a_row.unwrap_or(0) + 1;
            return self.state.store(in_a_row.min(enough), Relaxed);
        }
        if in_a_row == Some(enough) {
            self.relapses.fetch_add(1, Relaxed);
        }
        self.state.store(u32::MAX, Relaxed);
    }

    fn enough(&self) -> u32 {
        CpuUse::ENOUGH << self.relapses.load(Relaxed).min(CpuUse::MOST_RELAPSES)
    }
}

/// The names in a template's braces: `id` and `rest` of `/users/{id}/{*rest}`. Doubled braces are literal ones.
fn parameters(template: &str) -> Vec<String> {
    let literal = template.replace("{{", "").replace("}}", "");
    let names = literal
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'));
    names
        .map(|(name, _)| name.trim_start_matches('*').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_taken_for_long_until_it_has_shown_that_it_is_short() {
        let cost = Cost::default();
        assert_eq!(cost.expected(), Duration::from_millis(1));
        cost.record(Duration::from_micros(4));
        assert_eq!(cost.expected(), Duration::from_micros(4));
        cost.record(Duration::from_secs(1));
        assert!(
            cost.expected() < Duration::from_micros(20),
            "one pause of the process says nothing"
        );
        (0..40).for_each(|_| cost.record(Duration::from_secs(1)));
        assert!(
            cost.expected() > Duration::from_micros(900),
            "a route that turned slow is known for it"
        );
    }

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn a_route_computes_that_has_not_waited_in_sixty_four_runs() {
        let cpu_use = CpuUse::default();
        (0..63).for_each(|_| cpu_use.record(MILLISECOND, false));
        assert!(!cpu_use.is_computing());
        (0..300).for_each(|_| cpu_use.record(MILLISECOND, false));
        assert!(cpu_use.is_computing() && cpu_use.is_sampled());
    }

    #[test]
    fn a_route_that_waits_now_and_then_is_ever_more_rarely_taken_for_one_that_computes() {
        let cpu_use = CpuUse::default();
        let mut wait_after = 64;
        for (cpu_time, has_waited) in [
            (10 * MILLISECOND, true),
            (MILLISECOND / 10, false),
            (MILLISECOND / 10, true),
        ] {
            (0..wait_after).for_each(|_| cpu_use.record(MILLISECOND, false));
            assert!(cpu_use.is_computing());
            cpu_use.record(cpu_time, has_waited);
            assert!(!cpu_use.is_computing());
            (0..wait_after).for_each(|_| cpu_use.record(MILLISECOND, false));
            assert!(!cpu_use.is_computing(), "twice as many are needed now");
            wait_after *= 2;
            // Before it is known again, a wait makes nothing worse.
            cpu_use.record(cpu_time, true);
        }
    }

    #[test]
    fn a_route_that_waits_is_looked_at_now_and_then() {
        let cpu_use = CpuUse::default();
        let sampled = (0..90).filter(|_| {
            let is_sampled = cpu_use.is_sampled();
            if is_sampled {
                cpu_use.record(Duration::ZERO, true);
            }
            is_sampled
        });
        assert_eq!(sampled.count(), 10);
    }
}
