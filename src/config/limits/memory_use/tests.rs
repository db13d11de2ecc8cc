use super::*;
use crate::config::limits::tests::{Tree, V1_MOUNTS, V2_MOUNT};

fn read(tree: &Tree) -> Option<MemoryUse> {
    MemoryUse::read(tree.root())
}

#[test]
fn pages_that_the_kernel_can_drop_are_not_in_use_under_version_2() {
    let tree = Tree::new(V2_MOUNT, "0::/\n");
    tree.write("sys/fs/cgroup/memory.max", "1000\n");
    tree.write("sys/fs/cgroup/memory.current", "950\n");
    tree.write("sys/fs/cgroup/memory.stat", "anon 600\ninactive_file 100\n");
    let found = read(&tree).unwrap();
    assert_eq!((found.used, found.limit), (850, 1000));
    assert!(found.is_above(84));
    assert!(!found.is_above(85));
}

#[test]
fn pages_that_the_kernel_can_drop_are_not_in_use_under_version_1() {
    let tree = Tree::new(V1_MOUNTS, "5:memory:/\n");
    let path = |name: &str| format!("sys/fs/cgroup/memory/memory.{name}");
    tree.write(&path("limit_in_bytes"), "1000\n");
    tree.write(&path("usage_in_bytes"), "950\n");
    tree.write(&path("stat"), "inactive_file 7\ntotal_inactive_file 100\n");
    let found = read(&tree).unwrap();
    assert_eq!((found.used, found.limit), (850, 1000));
}

#[test]
fn the_group_that_is_nearest_to_its_limit_counts() {
    let tree = Tree::new(V2_MOUNT, "0::/pod/container\n");
    for (group, limit, used) in [("pod/container", "1000", "500"), ("pod", "1200", "1100")] {
        tree.write(&format!("sys/fs/cgroup/{group}/memory.max"), limit);
        tree.write(&format!("sys/fs/cgroup/{group}/memory.current"), used);
    }
    let found = read(&tree).unwrap();
    assert_eq!((found.used, found.limit), (1100, 1200));
}

#[test]
fn without_a_limit_there_is_nothing_to_be_near_to() {
    let tree = Tree::new(V2_MOUNT, "0::/\n");
    tree.write("sys/fs/cgroup/memory.max", "max\n");
    tree.write("sys/fs/cgroup/memory.current", "950\n");
    assert_eq!(read(&tree), None);
}
