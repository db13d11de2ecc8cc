//! Checks that are ready made. Those of what lies outside of the process degrade the service unless they are told
//! otherwise.

pub(crate) mod heartbeat;
pub(crate) mod network;
pub(crate) mod resources;
pub(crate) mod saturation;
pub(crate) mod switch;
