//! `MAX_CONNECTION_AGE` and `MAX_CONNECTION_REQUESTS`: keep-alive connections stay where they are however many pods there
//! are, so each ends once in a while, and its client's next one may go elsewhere.
//!
//! A connection ends by an answer that says so, and by nothing else: closed while it is idle, it might be closed just as
//! its client sends a request.

use crate::config::table::{Config, live::LiveConfig};
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

/// Either bound of a connection is its own, from nine tenths of the setting to eleven, as gRPC has it: connections that
/// came together do not all come again together.
const JITTER: f64 = 0.1;

/// How long connections live.
#[derive(Clone)]
pub(crate) struct Lifetime {
    live: Arc<LiveConfig>,
    requests: Option<u64>,
    /// So that one client's connections have other bounds in each pod.
    seed: u64,
}

impl Lifetime {
    pub(crate) fn of(config: &Config, live: &Arc<LiveConfig>) -> Lifetime {
        Lifetime {
            live: Arc::clone(live),
            requests: config.max_connection_requests,
            seed: fastrand::u64(..),
        }
    }

    /// Whether connections do not live for as long as their clients like.
    pub(crate) fn is_bounded(&self) -> bool {
        self.age().is_some() || self.requests.is_some()
    }

    /// Whether an answer is the last one on its connection: the answer of this number, from 1, on a connection of this
    /// age.
    pub(crate) fn is_over(&self, peer: SocketAddr, age: Duration, answers: u64) -> bool {
        let jitter = self.jitter_of(peer);
        let is_old = self.age().is_some_and(|most| age >= most.mul_f64(jitter));
        let is_used_up = self
            .requests
            .is_some_and(|most| answers as f64 >= (most as f64 * jitter).round().max(1.0));
        is_old || is_used_up
    }

    fn age(&self) -> Option<Duration> {
        self.live.max_connection_age.get()
    }

    /// The same for all of a connection's answers.
    fn jitter_of(&self, peer: SocketAddr) -> f64 {
        let mut random = fastrand::Rng::with_seed(self.seed ^ u64::from(peer.port()));
        1.0 - JITTER + 2.0 * JITTER * random.f64()
    }
}

/// A connection's past, for its end.
#[derive(Clone, Copy)]
pub(crate) struct Past {
    accepted: Instant,
    /// How many answers it had.
    answers: u32,
}

impl Past {
    pub(crate) fn beginning(accepted: Instant) -> Past {
        Past {
            accepted,
            answers: 0,
        }
    }

    /// Whether its connection was accepted before that.
    #[cfg(feature = "tiny_http")]
    pub(crate) fn began_before(&self, time: Instant) -> bool {
        self.accepted < time
    }

    /// Counts an answer that begins now, and says whether it is the connection's last.
    pub(crate) fn ends(&mut self, lifetime: &Lifetime, peer: SocketAddr, now: Instant) -> bool {
        self.answers = self.answers.saturating_add(1);
        let age = now.saturating_duration_since(self.accepted);
        lifetime.is_over(peer, age, self.answers.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(100);

    fn peer(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn bounds(age: Option<Duration>, requests: Option<u64>) -> Lifetime {
        let mut config = Config::from_pairs([]).unwrap();
        (config.max_connection_age, config.max_connection_requests) = (age, requests);
        let live = LiveConfig::of(&config);
        Lifetime {
            seed: 7,
            ..Lifetime::of(&config, &live)
        }
    }

    #[test]
    fn connections_that_came_together_end_within_a_tenth_of_the_age_and_not_all_at_once() {
        let lifetime = bounds(Some(AGE), None);
        let ends: Vec<u64> = (1000..1100)
            .map(|port| {
                let is_over =
                    |second: &u64| lifetime.is_over(peer(port), Duration::from_secs(*second), 1);
                (0..200).find(is_over).unwrap()
            })
            .collect();
        assert!(ends.iter().all(|end| (90..=110).contains(end)), "{ends:?}");
        let first_half = ends.iter().filter(|end| **end <= 100).count();
        assert!((25..=75).contains(&first_half), "{ends:?}");
    }

    #[test]
    fn a_connection_ends_with_the_answer_of_its_number_and_one_of_one_request_with_the_first() {
        let lifetime = bounds(None, Some(1000));
        for port in 1..100 {
            let last = (1..).find(|answers| lifetime.is_over(peer(port), Duration::MAX, *answers));
            assert!((900..=1100).contains(&last.unwrap()));
        }
        assert!(bounds(None, Some(1)).is_over(peer(1), Duration::ZERO, 1));
    }

    #[test]
    fn every_answer_counts_and_the_one_that_is_told_to_be_the_last_stays_it() {
        let (lifetime, now) = (bounds(None, Some(3)), Instant::now());
        let mut past = Past::beginning(now);
        let told: Vec<bool> = (0..5).map(|_| past.ends(&lifetime, peer(1), now)).collect();
        assert_eq!(told, [false, false, true, true, true]);
    }
}
