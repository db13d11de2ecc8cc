//! How much a handler used the CPU, as the kernel has counted it for its thread.

use crate::message::route::CpuUse;
#[cfg(target_os = "linux")]
use nix::{
    sys::resource::{UsageWho, getrusage},
    time::{ClockId, clock_gettime},
};
#[cfg(target_os = "linux")]
use std::ffi::c_long;
use std::time::Duration;

/// Begun before a handler on its thread, and stopped behind it there.
pub(super) struct CpuClock {
    #[cfg(target_os = "linux")]
    before: Reading,
}

#[cfg(target_os = "linux")]
struct Reading {
    /// To the nanosecond, where `getrusage` knows it as of the last tick.
    cpu_time: Duration,
    /// How often the thread has left the CPU to wait for something, by the C type that the system has for it.
    waits: c_long,
}

impl CpuClock {
    /// Nothing where the system does not count by thread. Takes two system calls, as stopping does.
    #[cold]
    pub(super) fn start() -> Option<CpuClock> {
        #[cfg(target_os = "linux")]
        return Reading::now().map(|before| CpuClock { before });
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Tells of a run that took so long, by the clock on the wall; and that waits for something later, if it does.
    #[cold]
    pub(super) fn stop(self, cpu_use: &CpuUse, took: Duration, waits_later: bool) {
        #[cfg(target_os = "linux")]
        if let Some(now) = Reading::now() {
            let cpu_time = now.cpu_time.saturating_sub(self.before.cpu_time);
            let waits = now.waits.saturating_sub(self.before.waits);
            let has_waited = waits_later || (waits > 0 && took > 2 * cpu_time);
            cpu_use.record(cpu_time, has_waited);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (cpu_use, took, waits_later);
    }
}

#[cfg(target_os = "linux")]
impl Reading {
    fn now() -> Option<Reading> {
        let cpu_time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok()?.into();
        let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
        let waits = usage.voluntary_context_switches();
        Some(Reading { cpu_time, waits })
    }
}
