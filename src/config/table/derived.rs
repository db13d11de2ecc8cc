//! Settings whose defaults and bounds follow from the limits of the machine, or from each other.

use crate::config::{
    limits::{
        CPUS_PER_REACTOR, Limits, WORKERS_PER_CPU, descriptors_for_connections, show_cpus,
        spare_descriptors,
    },
    settings::{Settings, show_size},
};

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;

/// Far above any pod's memory; the half of the address space on machines where that is less.
const LARGEST_SIZE: u64 = if usize::BITS < 64 {
    (usize::MAX / 2) as u64
} else {
    1 << 40
};

const MOST_WORKERS: u64 = 1024;
const QUEUE_PER_WORKER: usize = 64;
const MOST_QUEUED: u64 = 1_000_000;

const DEFAULT_MOST_CONNECTIONS: u64 = 10_000;
const MOST_CONNECTIONS: u64 = 1_000_000;
/// What an idle connection costs this process and, in the kernel, its cgroup, with room to spare.
const MEMORY_PER_CONNECTION: u64 = 6 * KIB;

/// More than anybody will want; each takes about 100 KiB of memory.
const MOST_REACTORS: u64 = 64;

const DEFAULT_BUFFER_MEMORY: u64 = 256 * MIB;
const BUFFER_SHARE_OF_MEMORY: u64 = 4;
const LEAST_BUFFER_MEMORY: u64 = 64 * KIB;

pub(super) fn default_workers(limits: &Limits) -> usize {
    limits.default_workers().min(MOST_WORKERS as usize)
}

pub(super) fn queue_for(workers: usize) -> usize {
    QUEUE_PER_WORKER * workers
}

/// How many idle connections the memory has room for.
pub(super) fn affordable_connections(memory_limit: Option<u64>) -> u64 {
    let affordable = memory_limit.map_or(u64::MAX, |memory| memory / MEMORY_PER_CONNECTION);
    affordable.clamp(1, DEFAULT_MOST_CONNECTIONS)
}

/// What is wanted, or what can be had where that is less.
pub(super) fn connections_within(
    wanted: u64,
    descriptor_limit: Option<u64>,
    reactors: usize,
) -> u64 {
    let possible = descriptors_for_connections(descriptor_limit, reactors);
    possible.map_or(wanted, |possible| wanted.min(possible))
}

pub(super) fn default_buffer_memory(memory_limit: Option<u64>) -> usize {
    let share = memory_limit.map(|memory| memory / BUFFER_SHARE_OF_MEMORY);
    let bytes = share.map_or(DEFAULT_BUFFER_MEMORY, |share| {
        share.clamp(LEAST_BUFFER_MEMORY, LARGEST_SIZE)
    });
    bytes as usize
}

pub(super) fn workers(settings: &mut Settings, limits: &Limits) -> usize {
    let default = default_workers(limits) as u64;
    let workers = settings.number("WORKERS", default, 1..=MOST_WORKERS);
    let cpus = limits.cpus;
    let reason = match limits.cpu_quota {
        Some(quota) if quota <= cpus as f64 => {
            format!("{} CPU quota, rounded up", show_cpus(quota))
        }
        Some(quota) => format!("{cpus} CPUs, fewer than the quota of {}", show_cpus(quota)),
        None => format!("{cpus} CPUs, without a quota"),
    };
    let capped = if limits.default_workers() as u64 > MOST_WORKERS {
        format!(", at most {MOST_WORKERS}")
    } else {
        String::new()
    };
    settings.explain_default("WORKERS", format!("{WORKERS_PER_CPU} × {reason}{capped}"));
    workers as usize
}

pub(super) fn queue_capacity(settings: &mut Settings, workers: usize) -> usize {
    let capacity = settings.number("QUEUE_CAPACITY", queue_for(workers) as u64, 0..=MOST_QUEUED);
    settings.explain_default("QUEUE_CAPACITY", format!("{QUEUE_PER_WORKER} × WORKERS"));
    capacity as usize
}

pub(super) fn reactors(settings: &mut Settings, limits: &Limits) -> usize {
    let default = limits.default_reactors() as u64;
    let reactors = settings.number("REACTORS", default, 1..=MOST_REACTORS);
    let cpus = limits.whole_cpus();
    let why = format!("{cpus} CPUs ÷ {CPUS_PER_REACTOR}, rounded up, at most 8");
    settings.explain_default("REACTORS", why);
    reactors as usize
}

pub(super) fn max_connections(settings: &mut Settings, limits: &Limits, reactors: usize) -> usize {
    let default = affordable_connections(limits.memory_limit);
    let wanted = settings.number("MAX_CONNECTIONS", default, 1..=MOST_CONNECTIONS);
    let reason = match limits.memory_limit {
        Some(memory) if memory / MEMORY_PER_CONNECTION <= DEFAULT_MOST_CONNECTIONS => {
            format!(
                "memory limit {} ÷ {}",
                show_size(memory),
                show_size(MEMORY_PER_CONNECTION)
            )
        }
        _ => format!("at most {DEFAULT_MOST_CONNECTIONS}"),
    };
    settings.explain_default("MAX_CONNECTIONS", reason);
    within_descriptors(settings, wanted, limits, reactors) as usize
}

/// Lowers what is wanted to what can be had, rather than to refuse to start: the limit belongs to the node.
fn within_descriptors(
    settings: &mut Settings,
    wanted: u64,
    limits: &Limits,
    reactors: usize,
) -> u64 {
    let possible = connections_within(wanted, limits.descriptor_limit, reactors);
    if let Some(descriptors) = limits.descriptor_limit
        && possible < wanted
    {
        let why = format!(
            "lowered from {wanted}: descriptor limit {descriptors} less {}",
            spare_descriptors(reactors)
        );
        settings.adjust("MAX_CONNECTIONS", possible.to_string(), why);
    }
    possible
}

pub(super) fn buffer_memory(settings: &mut Settings, limits: &Limits) -> usize {
    let default = default_buffer_memory(limits.memory_limit) as u64;
    let range = LEAST_BUFFER_MEMORY..=LARGEST_SIZE;
    let bytes = settings.size_within("BUFFER_MEMORY", default, range);
    let reason = match limits.memory_limit {
        Some(memory) => format!("a quarter of the memory limit {}", show_size(memory)),
        None => "no memory limit".to_owned(),
    };
    settings.explain_default("BUFFER_MEMORY", reason);
    bytes as usize
}

/// What was asked for, and that lowered to what requests may hold together: a larger body would be told to come again
/// for ever.
pub(super) fn max_body_bytes(settings: &mut Settings, buffer_memory: usize) -> (usize, usize) {
    let wanted = settings.size_within("MAX_BODY_BYTES", MIB, 0..=LARGEST_SIZE);
    let possible = buffer_memory as u64 / 2;
    if wanted > possible {
        let why = format!("lowered from {}: half of BUFFER_MEMORY", show_size(wanted));
        settings.adjust("MAX_BODY_BYTES", show_size(possible), why);
    }
    (wanted as usize, wanted.min(possible) as usize)
}
