//! The wait for events: on Linux by one thread or by two, elsewhere by one.

mod arrived;
#[cfg(target_os = "linux")]
mod epoll;
#[cfg(not(target_os = "linux"))]
mod portable;
#[cfg(target_os = "linux")]
mod timer;

pub(super) use arrived::{Arrived, EVENTS, TIMER};
#[cfg(target_os = "linux")]
pub(super) use epoll::{Events, Waiter};
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{Events, Timer, Waiter};
#[cfg(target_os = "linux")]
pub(super) use timer::Timer;
