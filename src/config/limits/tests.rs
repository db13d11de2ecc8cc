use std::fs;
use std::process::Command;

use super::*;
pub(crate) use tree::Tree;

mod again;
mod tree;

pub(crate) const V1_MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
33 31 0:31 / /sys/fs/cgroup/cpuset rw,nosuid - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd
";
pub(super) const V2_MOUNT: &str =
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn half_a_cpu_gives_the_workers_of_one_under_version_2() {
    let tree = Tree::new(V2_MOUNT, "0::/\n");
    tree.write("sys/fs/cgroup/cpu.max", "50000 100000\n");
    tree.write("sys/fs/cgroup/memory.max", "67108864\n");
    let limits = tree.limits();
    assert_eq!(
        (limits.cpu_quota, limits.memory_limit),
        (Some(0.5), Some(64 << 20))
    );
    assert_eq!(limits.default_workers(), 32);
}

#[test]
fn half_a_cpu_gives_the_workers_of_one_under_version_1() {
    let tree = Tree::new(V1_MOUNTS, "5:memory:/\n3:cpuset:/\n1:cpu,cpuacct:/\n0::/\n");
    tree.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
    tree.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n");
    let limits = tree.limits();
    assert_eq!(
        (limits.cpu_quota, limits.memory_limit),
        (Some(0.5), Some(64 << 20))
    );
    assert_eq!(limits.default_workers(), 32);
}

#[test]
fn no_limit_is_none_in_either_version() {
    let v2 = Tree::new(V2_MOUNT, "0::/pod\n");
    v2.write("sys/fs/cgroup/pod/cpu.max", "max 100000\n");
    v2.write("sys/fs/cgroup/pod/memory.max", "max\n");
    let v1 = Tree::new(V1_MOUNTS, "5:memory:/\n1:cpu,cpuacct:/\n");
    v1.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    v1.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    for unlimited in [
        "9223372036854771712\n",
        "9223372036854710272\n",
        "18446744073709551615\n",
    ] {
        v1.write("sys/fs/cgroup/memory/memory.limit_in_bytes", unlimited);
        for limits in [v2.limits(), v1.limits()] {
            assert_eq!((limits.cpu_quota, limits.memory_limit), (None, None));
        }
    }
}

#[test]
fn the_tightest_of_the_groups_above_counts() {
    let tree = Tree::new(V2_MOUNT, "0::/kubepods/pod/container\n");
    tree.write(
        "sys/fs/cgroup/kubepods/pod/container/cpu.max",
        "200000 100000",
    );
    tree.write(
        "sys/fs/cgroup/kubepods/pod/container/memory.max",
        "1073741824",
    );
    tree.write("sys/fs/cgroup/kubepods/pod/cpu.max", "150000 100000");
    tree.write("sys/fs/cgroup/kubepods/pod/memory.max", "max");
    tree.write("sys/fs/cgroup/kubepods/cpu.max", "max 100000");
    tree.write("sys/fs/cgroup/kubepods/memory.max", "536870912");
    // A sibling's limit is none of ours.
    tree.write("sys/fs/cgroup/kubepods/other/cpu.max", "1000 100000");
    let limits = tree.limits();
    assert_eq!(
        (limits.cpu_quota, limits.memory_limit),
        (Some(1.5), Some(512 << 20))
    );

    let tree = Tree::new(V1_MOUNTS, "5:memory:/a/b\n1:cpu,cpuacct:/a/b\n");
    tree.write("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "200000");
    tree.write("sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000");
    tree.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "25000");
    tree.write("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000");
    tree.write(
        "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
        "9223372036854771712",
    );
    tree.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1048576");
    let limits = tree.limits();
    assert_eq!(
        (limits.cpu_quota, limits.memory_limit),
        (Some(0.5), Some(1 << 20))
    );
}

#[test]
fn a_limit_above_what_a_version_1_container_can_see_still_counts() {
    let tree = Tree::new(V1_MOUNTS, "5:memory:/\n");
    tree.write(
        "sys/fs/cgroup/memory/memory.limit_in_bytes",
        "9223372036854771712",
    );
    let statistics = "cache 0\nhierarchical_memory_limit 33554432\nhierarchical_memsw_limit 1\n";
    tree.write("sys/fs/cgroup/memory/memory.stat", statistics);
    assert_eq!(tree.limits().memory_limit, Some(32 << 20));
}

#[test]
fn mixed_hierarchies_are_read_from_where_the_controller_is() {
    let mounts = format!(
        "{V1_MOUNTS}42 31 0:40 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    );
    let tree = Tree::new(
        &mounts,
        "5:memory:/m\n1:cpu,cpuacct:/c\n1:name=systemd:/x\n0::/u\n",
    );
    tree.write("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "300000");
    tree.write("sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000");
    tree.write("sys/fs/cgroup/unified/u/memory.max", "4096");
    let limits = tree.limits();
    assert_eq!(
        (limits.cpu_quota, limits.memory_limit),
        (Some(3.0), Some(4096))
    );
}

#[test]
fn a_container_without_a_cgroup_namespace_finds_itself_at_the_top_of_its_mount() {
    let mounts = "\
32 31 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu
35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory
";
    let tree = Tree::new(mounts, "5:memory:/docker/abc/inner\n1:cpu:/docker/abc\n");
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000");
    tree.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
    tree.write("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "8192");
    tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "16384");
    let limits = tree.limits();
    assert_eq!(
        (limits.cpu_quota, limits.memory_limit),
        (Some(0.5), Some(8192))
    );
}

#[test]
fn a_group_outside_of_the_mount_falls_back_to_its_top() {
    for group in [
        "/../..",
        "/../sibling",
        "/docker/abcdef",
        "/elsewhere (deleted)",
    ] {
        for top in ["/", "/docker/abc", "/.."] {
            let mounts = format!("30 23 0:26 {top} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
            let tree = Tree::new(&mounts, &format!("0::{group}\n"));
            tree.write("sys/fs/cgroup/cpu.max", "50000 100000");
            tree.write("sys/fs/sibling/cpu.max", "1000 100000");
            tree.write("sys/fs/cgroup/sibling/cpu.max", "50000 100000");
            assert_eq!(tree.limits().cpu_quota, Some(0.5), "{group} {top}");
        }
    }
}

#[test]
fn another_view_of_the_hierarchy_does_not_lend_its_limits() {
    // An agent's pod with the node's hierarchy mounted beside its own.
    let mounts = format!("29 23 0:26 /../../.. /host/cgroup rw - cgroup2 cgroup2 rw\n{V2_MOUNT}");
    let tree = Tree::new(&mounts, "0::/\n");
    tree.write("host/cgroup/cpu.max", "1000 100000");
    tree.write("sys/fs/cgroup/cpu.max", "50000 100000");
    assert_eq!(tree.limits().cpu_quota, Some(0.5));
}

#[test]
fn a_mount_point_with_a_space_is_found() {
    let tree = Tree::new(
        "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n",
        "0::/a:b\n",
    );
    tree.write("my groups/a:b/cpu.max", "50000 100000");
    assert_eq!(tree.limits().cpu_quota, Some(0.5));
}

#[test]
fn garbage_counts_as_no_limit() {
    for garbage in [
        "",
        "\n",
        "half",
        "50000",
        "0 100000",
        "50000 0",
        "-5 100000",
        "1e5 100000",
        "5 5 5",
    ] {
        let tree = Tree::new(V2_MOUNT, "0::/\n");
        tree.write("sys/fs/cgroup/cpu.max", garbage);
        tree.write(
            "sys/fs/cgroup/memory.max",
            garbage.split(' ').next().unwrap_or("").trim_matches('0'),
        );
        assert_eq!(tree.limits().cpu_quota, None, "{garbage:?}");
    }
    for (mounts, groups) in [
        ("", ""),
        ("x - cgroup2", "x"),
        ("- - - cgroup2 -", ":::"),
        (V2_MOUNT, "0:/"),
        ("", "0::/"),
    ] {
        let limits = Tree::new(mounts, groups).limits();
        assert_eq!((limits.cpu_quota, limits.memory_limit), (None, None));
    }
    let nothing_there = Limits::read_from(Path::new("/nonexistent"));
    assert!(nothing_there.cpus >= 1 && nothing_there.cpu_quota.is_none());
}

#[test]
fn a_pod_resized_in_place_is_read_anew() {
    let tree = Tree::new(V2_MOUNT, "0::/\n");
    tree.cpus("0-7", "0-7");
    tree.write("sys/fs/cgroup/cpu.max", "50000 100000");
    assert_eq!(tree.limits().default_workers(), 32);
    tree.write("sys/fs/cgroup/cpu.max", "400000 100000");
    assert_eq!(tree.limits().default_workers(), 128);
}

#[test]
fn cpus_are_those_that_are_both_allowed_and_online() {
    let lists = [
        ("0-3", "0-3", 4),
        ("0-127", "0-3", 4),
        ("2", "0-3", 1),
        ("0,2-3,9", "0-2,4-9", 3),
        ("1-2", "0-7", 2),
    ];
    for (allowed, online, cpus) in lists {
        let tree = Tree::new("", "");
        tree.cpus(allowed, online);
        assert_eq!(tree.limits().cpus, cpus, "{allowed} {online}");
    }
    for (allowed, online) in [
        ("", ""),
        ("x", "0"),
        ("0", "4-2"),
        ("0-", "0"),
        ("4", "0-3"),
        ("9-3", "0-3"),
    ] {
        let tree = Tree::new("", "");
        tree.cpus(allowed, online);
        assert_eq!(tree.limits().cpus, num_cpus::get(), "{allowed} {online}");
    }
}

#[test]
fn workers_are_32_for_each_cpu_that_can_be_kept_busy() {
    let workers = |cpus, cpu_quota| {
        Limits {
            cpus,
            cpu_quota,
            memory_limit: None,
            descriptor_limit: None,
        }
        .default_workers()
    };
    assert_eq!(workers(8, Some(0.001)), 32);
    assert_eq!(workers(8, Some(1.0)), 32);
    assert_eq!(workers(8, Some(1.001)), 64);
    assert_eq!(workers(8, None), 256);
    assert_eq!(workers(2, Some(64.0)), 64);
    assert_eq!(workers(2, Some(f64::MAX)), 64);
}

#[test]
fn cpus_are_shown_as_short_decimals() {
    let shown = [0.5, 1.0, 0.1, 2.25, 10.0, 0.0004, 1.9996].map(show_cpus);
    assert_eq!(shown, ["0.5", "1", "0.1", "2.25", "10", "0", "2"]);
}

#[test]
fn raising_the_descriptor_limit_never_lowers_it() {
    let before = Limits::read().descriptor_limit.unwrap();
    let raised = raise_descriptor_limit();
    assert!(raised >= before);
    assert_eq!(Limits::read().descriptor_limit, Some(raised));
}

/// The real thing: this test runs itself again as a process inside of a group with half a CPU and 64 MiB.
#[test]
fn half_a_cpu_of_a_real_cgroup_gives_the_workers_of_one() {
    if std::env::var_os("SEAWORTHY_TEST_IN_CGROUP").is_some() {
        let limits = Limits::read();
        assert_eq!(limits.cpu_quota, Some(0.5));
        assert_eq!(limits.default_workers(), 32);
        println!("seen from the inside");
        return;
    }
    let group = match RealGroup::with_half_a_cpu() {
        Ok(group) => group,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let myself = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", r#"echo $$ > "$0/cgroup.procs" && exec "$@""#])
        .arg(&group.0)
        .arg(myself)
        .args([
            "--exact",
            "--nocapture",
            "config::limits::tests::half_a_cpu_of_a_real_cgroup_gives_the_workers_of_one",
        ])
        .env("SEAWORTHY_TEST_IN_CGROUP", "1")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && shown.contains("seen from the inside"),
        "{output:?}"
    );
}

/// A group below this process's own, removed when the test ends.
struct RealGroup(PathBuf);

impl RealGroup {
    fn with_half_a_cpu() -> Result<RealGroup, String> {
        let files = Files::below_root(Path::new("/"));
        let own = Groups::of_this_process(&files).of("cpu");
        let controls = |group: &&PathBuf| group.join("cpu.cfs_quota_us").exists();
        let parent = own
            .iter()
            .find(controls)
            .ok_or("no version 1 hierarchy of CPUs is mounted")?;
        let group = parent.join(format!("seaworthy-test-{}", std::process::id()));
        fs::create_dir(&group)
            .map_err(|error| format!("no group can be made in {}: {error}", parent.display()))?;
        let group = RealGroup(group);
        let quota = fs::write(group.0.join("cpu.cfs_quota_us"), "50000");
        let period = fs::write(group.0.join("cpu.cfs_period_us"), "100000");
        period
            .and(quota)
            .map_err(|error| format!("no quota can be set: {error}"))?;
        Ok(group)
    }
}

impl Drop for RealGroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
