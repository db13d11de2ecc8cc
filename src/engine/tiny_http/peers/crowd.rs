//! `MAX_CONNECTIONS`, of which tiny_http knows nothing: it accepts whoever comes. So there may be more for as long as
//! it takes to look.

use super::Peers;
use crate::engine::tiny_http::{
    peer::{Claim, Review},
    sockets::Look,
};
use std::{collections::HashSet, net::SocketAddr, os::fd::RawFd};

/// Newcomers beyond `MAX_CONNECTIONS`, who may still ask for a probe: they are ended at once only where there are more.
const RESERVE: usize = 16;

impl Peers {
    /// Ends as many connections as there are too many, of those without a request: who has the least claim goes first.
    /// Where there are not so many of them, newcomers are let in for probes only.
    pub(super) fn make_room(
        &mut self,
        look: &Look<'_>,
        parting: &HashSet<SocketAddr>,
        review: &mut Review,
    ) {
        let mut in_place = 0;
        let mut idle: Vec<(Claim, SocketAddr, RawFd)> = Vec::new();
        for (&peer, &fd) in look.connections {
            let known = self.known.get(&peer).filter(|_| !parting.contains(&peer));
            let Some(known) = known.filter(|known| !known.is_ending()) else {
                continue;
            };
            in_place += 1;
            idle.extend(known.claim(look.now).map(|claim| (claim, peer, fd)));
        }
        self.is_full = in_place - idle.len() >= self.max_connections;
        let too_many = in_place.saturating_sub(self.max_connections);
        if too_many == 0 {
            return;
        }
        idle.sort_unstable_by_key(|&(claim, ..)| claim);
        for (ended, (claim, peer, fd)) in idle.into_iter().take(too_many).enumerate() {
            if matches!(claim, Claim::New(_)) && too_many - ended <= RESERVE {
                break;
            }
            if let Some(known) = self.known.get_mut(&peer) {
                review.to_end.push((peer, known.end_reading(fd, look.now)));
            }
        }
    }

    /// Whether it came when every place was taken.
    pub(in crate::engine::tiny_http) fn is_reserve(&self, peer: SocketAddr) -> bool {
        self.known.get(&peer).is_some_and(|known| known.is_reserve)
    }
}
