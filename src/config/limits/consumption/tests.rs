use super::*;
use crate::config::limits::tests::{Tree, V1_MOUNTS, V2_MOUNT};

const EXPECTED: Consumption = Consumption {
    periods: Some(100),
    throttled_periods: Some(7),
    throttled_nanos: Some(250_000),
    cpu_quota: Some(0.5),
    memory_limit: Some(1000),
    memory_usage: Some(950),
    oom_kills: Some(2),
};

#[test]
fn what_version_2_counts_is_told() {
    let tree = Tree::new(V2_MOUNT, "0::/\n");
    for (file, text) in [
        (
            "cpu.stat",
            "usage_usec 9\nnr_periods 100\nnr_throttled 7\nthrottled_usec 250\n",
        ),
        ("cpu.max", "50000 100000\n"),
        ("memory.max", "1000\n"),
        ("memory.current", "950\n"),
        (
            "memory.events",
            "low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
        ),
    ] {
        tree.write(&format!("sys/fs/cgroup/{file}"), text);
    }
    assert_eq!(Consumption::read(tree.root()), EXPECTED);
}

#[test]
fn what_version_1_counts_is_told() {
    let tree = Tree::new(V1_MOUNTS, "5:memory:/\n4:cpu,cpuacct:/\n");
    for (file, text) in [
        (
            "cpu,cpuacct/cpu.stat",
            "nr_periods 100\nnr_throttled 7\nthrottled_time 250000\n",
        ),
        ("cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
        ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ("memory/memory.limit_in_bytes", "1000\n"),
        ("memory/memory.usage_in_bytes", "950\n"),
        (
            "memory/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        ),
    ] {
        tree.write(&format!("sys/fs/cgroup/{file}"), text);
    }
    assert_eq!(Consumption::read(tree.root()), EXPECTED);
}

#[test]
fn without_a_cgroup_nothing_is_told() {
    let tree = Tree::new("", "");
    assert_eq!(Consumption::read(tree.root()), Consumption::default());
}
