//! `MAX_CONNECTIONS`, of which tiny_http knows nothing: it accepts whoever comes. So there may be more for as long as
//! it takes to look.

use super::Peers;
use crate::engine::{
    occupancy::Closed,
    rules::Rules,
    tiny_http::{
        peer::{Claim, Review},
        sockets::Look,
    },
};
use std::{collections::HashSet, net::SocketAddr, os::fd::RawFd, time::Instant};

/// Newcomers beyond `MAX_CONNECTIONS`, who may still ask for a probe: they are ended at once only where there are more.
const RESERVE: usize = 16;

impl Peers {
    /// Ends as many connections as there are too many, of those without a request: who has the least claim goes first.
    /// Where there are not so many of them, newcomers are let in for probes only. Where the limit was lowered, those that
    /// are there end with their next answer; only where newcomers come, two others go for each at once.
    pub(super) fn make_room(
        &mut self,
        look: &Look<'_>,
        parting: &HashSet<SocketAddr>,
        review: &mut Review,
        rules: &Rules,
    ) {
        let most = look.most;
        let (mut in_place, mut retiring) = (0, 0);
        let mut idle: Vec<(Claim, SocketAddr, RawFd)> = Vec::new();
        for (&peer, &fd) in look.connections {
            let known = self.known.get(&peer).filter(|_| !parting.contains(&peer));
            let Some(known) = known.filter(|known| !known.is_ending()) else {
                continue;
            };
            in_place += 1;
            retiring += usize::from(known.close_after);
            idle.extend(known.claim(look.now).map(|claim| (claim, peer, fd)));
        }
        self.is_full = in_place - idle.len() >= most;
        let newcomers = self.count_newcomers(in_place, most, look.now);
        let too_many = (2 * newcomers).min(in_place.saturating_sub(most));
        self.surplus = in_place.saturating_sub(most + too_many + retiring);
        if too_many == 0 {
            return;
        }
        idle.sort_unstable_by_key(|&(claim, ..)| claim);
        for (ended, (claim, peer, fd)) in idle.into_iter().take(too_many).enumerate() {
            if matches!(claim, Claim::New(_)) && too_many - ended <= RESERVE {
                break;
            }
            if let Some(known) = self.known.get_mut(&peer) {
                known.count_end(Closed::Limit, &rules.closed);
                review.to_end.push((peer, known.end_reading(fd, look.now)));
                // Who comes into a place of theirs before the next look is a newcomer too.
                self.tolerated = (in_place - ended - 1).clamp(most, self.tolerated);
            }
        }
    }

    /// How many of so many connections came when there were too many already.
    fn count_newcomers(&mut self, in_place: usize, most: usize, now: Instant) -> usize {
        if most < self.most {
            self.tolerated = in_place;
            self.lowered = now;
        }
        self.most = most;
        self.tolerated = self.tolerated.min(in_place).max(most);
        in_place - self.tolerated.min(in_place)
    }

    /// Whether it came when every place was taken.
    pub(in crate::engine::tiny_http) fn is_reserve(&self, peer: SocketAddr) -> bool {
        self.known.get(&peer).is_some_and(|known| known.is_reserve)
    }
}
