//! When a connection is to end, and how.

use super::{Beginning, Claim, End, Identity, MOST_IN_LINE, Peer, Review, Stage};
use crate::engine::{
    http1::Refusal,
    occupancy::{Closed, ClosedCounts, Connections},
    rules::{Rules, passed_in_a_stall},
    tiny_http::{head::READ_AHEAD, sock_diag::Diagnosis, sockets::Sockets},
};
use nix::sys::socket::Shutdown;
use std::{
    mem,
    os::fd::RawFd,
    time::{Duration, Instant},
};

/// How long a connection that has not sent a request yet is kept when the listener is closed.
const FRESH_GRACE: Duration = Duration::from_secs(1);

/// How long a connection that was half shut down may take to end by itself.
const END_GRACE: Duration = Duration::from_secs(1);

/// A new connection has so long for its first byte before another may have its place.
const UNDISTURBED: Duration = Duration::from_secs(1);

/// How long it is remembered that nothing more is to be taken from a connection: longer than tiny_http may still find
/// requests in what had arrived.
const MEMORY_OF_THE_ENDED: Duration = Duration::from_secs(4);

/// Bytes that no thread reads for so long mean that tiny_http has no thread for the connection.
const NEGLECT: Duration = Duration::from_millis(10);

/// Such a connection is helped at most so often, each time with twice as much: others may be before it in line that end
/// the threads they are given.
const MOST_NUDGES: u8 = 8;

impl Peer {
    /// Counts the connection as stuck where no thread reads it: bytes have been waiting for a while, or it has not said
    /// anything and may do so any time.
    pub(in crate::engine::tiny_http) fn notice_neglect(
        &mut self,
        fd: RawFd,
        review: &mut Review,
        now: Instant,
    ) {
        let silent_for = now.saturating_duration_since(self.since);
        let Stage::Fresh { suspect, nudges } = &mut self.stage else {
            return;
        };
        if !Sockets::has_unread(fd) {
            *suspect = None;
            if *nudges == 0 {
                review.suspects += 1;
                let may_be_stuck = silent_for >= NEGLECT;
                *nudges = u8::from(may_be_stuck);
                review.stuck += usize::from(may_be_stuck);
            }
            return;
        }
        review.neglected += 1;
        if *nudges == MOST_NUDGES {
            return;
        }
        review.suspects += 1;
        match *suspect {
            None => *suspect = Some(now),
            Some(since) if now < since + NEGLECT => {}
            Some(_) => {
                *suspect = Some(now);
                review.stuck += 1 << *nudges;
                *nudges += 1;
            }
        }
    }

    pub(in crate::engine::tiny_http) fn is_neglected(&self) -> bool {
        matches!(
            self.stage,
            Stage::Fresh {
                suspect: Some(_),
                ..
            }
        )
    }

    /// How the connection is to end now, if at all. `stopped` is when the listener was closed; `diagnosis`, if there is
    /// one, was made in this look.
    pub(in crate::engine::tiny_http) fn due(
        &mut self,
        fd: RawFd,
        diagnosis: Option<Diagnosis>,
        rules: &Rules,
        stopped: Option<Instant>,
        now: Instant,
    ) -> Option<End> {
        let shut = |how| Some(End::Shut(fd, how));
        if mem::take(&mut self.in_line) > MOST_IN_LINE {
            self.count_end(Closed::Refused, &rules.closed);
            return Some(End::CutOff(fd));
        }
        let may_stay_until = match self.stage {
            Stage::Handling | Stage::Sending(None) => return None,
            Stage::Sending(Some(deadline)) if now < deadline => return None,
            // Its client has read, but the thread that writes has had no time to see it; or it could not write for its part.
            Stage::Sending(Some(deadline))
                if Sockets::has_room(fd) || passed_in_a_stall(deadline, now) =>
            {
                self.stage = Stage::Sending(Some(now + rules.live.write_timeout.get()));
                return None;
            }
            Stage::Sending(Some(_)) => {
                self.count_end(Closed::WriteTimeout, &rules.closed);
                return shut(Shutdown::Both);
            }
            Stage::Receiving(deadline) => {
                self.timed_out = deadline <= now;
                // Whoever reads sees an end, and answers.
                return self.timed_out.then_some(End::Shut(fd, Shutdown::Read));
            }
            Stage::Ended => {
                return (self.since + END_GRACE <= now).then_some(End::Shut(fd, Shutdown::Both));
            }
            _ if self.close_after => now,
            _ if let Some(beginning) = self.beginning
                && self.shut.is_none() =>
            {
                let unread = diagnosis.map_or(0, |diagnosis| diagnosis.unread);
                return self
                    .why_refused(beginning, unread, rules, now)
                    .map(End::Refuse);
            }
            Stage::Fresh { .. } => match (stopped, diagnosis) {
                (Some(stopped), _) => self.since.max(stopped) + FRESH_GRACE,
                (None, Some(_)) => self.since + rules.live.keep_alive_timeout.get(),
                // It may have begun long ago.
                (None, None) => self.since + rules.live.head_timeout.get(),
            },
            Stage::Idle => stopped.unwrap_or(self.since + rules.live.keep_alive_timeout.get()),
        };
        match self.shut {
            None if may_stay_until <= now => {
                let why = match stopped {
                    Some(_) => Closed::Drain,
                    None => Closed::IdleTimeout,
                };
                self.count_end(why, &rules.closed);
                Some(self.end_reading(fd, now))
            }
            Some(told) if told + END_GRACE <= now => shut(Shutdown::Both),
            _ => None,
        }
    }

    /// tiny_http sees an end where the next request would begin, and closes. One that has arrived is still read before
    /// that, and answered.
    pub(in crate::engine::tiny_http) fn end_reading(&mut self, fd: RawFd, now: Instant) -> End {
        self.shut = Some(now);
        self.identity = Identity::Unseen;
        End::Shut(fd, Shutdown::Read)
    }

    pub(in crate::engine::tiny_http) fn is_ending(&self) -> bool {
        self.stage == Stage::Ended || self.shut.is_some()
    }

    /// What it has to show for its place; none where it has a request, or has begun to send one just now.
    pub(in crate::engine::tiny_http) fn claim(&self, now: Instant) -> Option<Claim> {
        match self.stage {
            Stage::Fresh { .. } | Stage::Idle if let Some(beginning) = self.beginning => {
                (beginning.since + UNDISTURBED < now).then_some(Claim::Arriving(beginning.since))
            }
            Stage::Fresh { .. } if now < self.since + UNDISTURBED => Some(Claim::New(self.since)),
            Stage::Fresh { .. } => Some(Claim::Silent(self.since)),
            Stage::Idle => Some(Claim::Idle(self.since)),
            _ => None,
        }
    }

    /// Why a request that has begun to arrive is not waited for any longer. It is looked at once more after that was
    /// found: tiny_http may have had no time yet to read what has arrived, or to hand it out.
    fn why_refused(
        &mut self,
        beginning: Beginning,
        unread: u64,
        rules: &Rules,
        now: Instant,
    ) -> Option<Refusal> {
        let most = rules.limits.max_head_bytes as u64 + READ_AHEAD as u64;
        let since = beginning.since;
        // What was not read in twice the time will not be.
        let is_late = since + rules.live.head_timeout.get() <= now && unread == 0
            || since + 2 * rules.live.head_timeout.get() <= now;
        let why = match () {
            () if beginning.read - beginning.before > most => Refusal::HEAD_TOO_LONG,
            () if is_late => Refusal::TOO_SLOW,
            () => {
                self.is_condemned = false;
                return None;
            }
        };
        mem::replace(&mut self.is_condemned, true).then_some(why)
    }

    /// Whether it is to be looked at again soon.
    pub(in crate::engine::tiny_http) fn is_on_trial(&self) -> bool {
        self.is_quiet() && self.is_condemned || self.has_pipelined
    }

    /// Whether no thread of tiny_http's is left that would close this connection, however it is shut down.
    pub(in crate::engine::tiny_http) fn has_ignored_its_end(&self, now: Instant) -> bool {
        let told = match self.stage {
            Stage::Ended => Some(self.since + END_GRACE),
            _ => self.shut.filter(|_| !self.is_busy()),
        };
        told.is_some_and(|told| told + 2 * END_GRACE <= now)
    }

    /// Whether there is more to be known of it than that it is there; what came about after `now` no look could find.
    pub(in crate::engine::tiny_http) fn is_worth_remembering(&self, now: Instant) -> bool {
        self.is_busy()
            || self.since > now
            || self.stage == Stage::Ended && now < self.since + MEMORY_OF_THE_ENDED
    }

    /// Counts why it ends; the first reason is the one that counts.
    pub(in crate::engine::tiny_http) fn count_end(&mut self, why: Closed, closed: &ClosedCounts) {
        if !mem::replace(&mut self.is_counted, true) {
            closed.count(why);
        }
    }

    pub(in crate::engine::tiny_http) fn count_in(&self, connections: &mut Connections) {
        let count = match self.stage {
            Stage::Ended if matches!(self.identity, Identity::Gone) => return,
            Stage::Ended => &mut connections.closing,
            Stage::Fresh { .. } | Stage::Idle if self.shut.is_some() => &mut connections.closing,
            Stage::Fresh { .. } | Stage::Idle if self.beginning.is_some() => &mut connections.head,
            Stage::Fresh { .. } | Stage::Idle => &mut connections.idle,
            Stage::Handling => &mut connections.handed_out,
            Stage::Receiving(_) => &mut connections.body,
            Stage::Sending(_) => &mut connections.writing,
        };
        *count += 1;
    }
}
