//! Settings and where they come from, seaworthy's own table of them, and what the cgroup and the kernel allow.

pub(crate) mod ip_range;
pub(crate) mod limits;
pub(crate) mod live;
pub(crate) mod settings;
pub(crate) mod table;
