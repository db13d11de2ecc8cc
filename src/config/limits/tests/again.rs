//! Limits that are read again while the process runs.

use super::{Tree, V1_MOUNTS, V2_MOUNT};
use crate::config::limits::{Limits, MemoryLimit};
use std::fs;

#[test]
fn the_memory_limit_by_itself_is_read_where_it_was_found_in_either_version() {
    let v2 = Tree::new(V2_MOUNT, "0::/pod/container\n");
    v2.write("sys/fs/cgroup/pod/memory.max", "104857600\n");
    v2.write("sys/fs/cgroup/pod/container/memory.max", "max\n");
    let v1 = Tree::new(V1_MOUNTS, "5:memory:/pod\n");
    v1.write(
        "sys/fs/cgroup/memory/pod/memory.limit_in_bytes",
        "104857600\n",
    );
    let limits = [&v2, &v1].map(|tree| MemoryLimit::find(tree.root()));
    for limit in &limits {
        assert_eq!(limit.read().unwrap(), Some(100 << 20));
    }
    v2.write("sys/fs/cgroup/pod/memory.max", "16777216\n");
    v1.write(
        "sys/fs/cgroup/memory/pod/memory.limit_in_bytes",
        "16777216\n",
    );
    for limit in &limits {
        assert_eq!(limit.read().unwrap(), Some(16 << 20));
    }
}

#[test]
fn what_is_there_and_cannot_be_read_is_an_error_and_no_limit_that_is_gone() {
    let tree = Tree::of_version_2("50000 100000\n", "16777216\n");
    assert_eq!(Limits::reread(tree.root()).unwrap().cpu_quota, Some(0.5));
    let (file, limit) = (
        tree.root().join("sys/fs/cgroup/memory.max"),
        MemoryLimit::find(tree.root()),
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(limit.read().unwrap(), None);
    fs::create_dir(&file).unwrap();
    assert!(limit.read().is_err() && Limits::reread(tree.root()).is_err());
}
