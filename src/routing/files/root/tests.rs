use super::{super::tests::Tree, *};
use nix::{sys::stat::Mode, unistd::mkfifo};
use std::{
    io::Read,
    os::unix::{fs::symlink, net::UnixListener},
    panic::{self, AssertUnwindSafe},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// What a path is found to hold; `/` stands for a directory, nothing for nothing.
fn held(root: &Path, path: &str) -> Option<String> {
    match find(root, Path::new(path)).unwrap().1 {
        Entry::File(mut opened) => {
            let mut text = String::new();
            opened.file.read_to_string(&mut text).unwrap();
            Some(text)
        }
        Entry::Directory => Some("/".to_owned()),
        Entry::Nothing => None,
    }
}

#[test]
fn links_are_followed_wherever_they_lead_inside() {
    let tree = Tree::new();
    let root = tree.root();
    tree.write("root/a/b/deep", "deep");
    tree.write("root/top", "top");
    tree.link("root/to-file", "a/b/deep");
    tree.link("root/to-directory", "a/b");
    tree.link("root/a/b/up", "../../top");
    tree.link("root/around", "a/./b/../b//deep");
    tree.link("root/absolute", root.join("a/b/deep"));
    tree.link("root/itself", ".");
    tree.link("root/to-root", &root);
    tree.link("root/chain-0", "top");
    for number in 1..40 {
        let target = format!("chain-{}", number - 1);
        tree.link(&format!("root/chain-{number}"), target);
    }
    tree.link("root-by-link", "root");
    tree.link("root/by-link", tree.path("root-by-link/top"));
    tree.link("root/by-resolved", root.canonicalize().unwrap().join("top"));
    for (path, expected) in [
        ("", "/"),
        ("a/b", "/"),
        ("a/b/deep", "deep"),
        ("to-file", "deep"),
        ("to-directory", "/"),
        ("to-directory/deep", "deep"),
        ("to-directory/up", "top"),
        ("around", "deep"),
        ("absolute", "deep"),
        ("itself/itself/top", "top"),
        ("to-root/a/b/deep", "deep"),
        ("chain-39", "top"),
        ("by-resolved", "top"),
    ] {
        assert_eq!(held(&root, path).as_deref(), Some(expected), "{path}");
    }
    let by_link = tree.path("root-by-link");
    for path in ["top", "by-link", "by-resolved"] {
        assert_eq!(held(&by_link, path).as_deref(), Some("top"), "{path}");
    }
}

#[test]
fn no_link_leads_outside() {
    let tree = Tree::new();
    let root = tree.root();
    tree.write("secret", "secret");
    tree.write("root-too/secret", "secret");
    tree.write("root/a/file", "file");
    tree.link("root/up", "../secret");
    tree.link("root/a/up", "../../secret");
    tree.link("root/a/around", "../a/../../root/a/file");
    tree.link("root/absolute", tree.path("secret"));
    tree.link("root/through-root", root.join("../secret"));
    tree.link("root/by-name", tree.path("root-too/secret"));
    tree.link("root/parent", "..");
    tree.link("root/everything", "/");
    tree.link("root/loop", "loop");
    tree.link("root/ping", "pong");
    tree.link("root/pong", "ping");
    tree.link("root/dangling", "nowhere");
    tree.link("root/first", "up");
    for path in [
        "up",
        "a/up",
        "a/around",
        "absolute",
        "through-root",
        "by-name",
        "parent",
        "parent/secret",
        "everything",
        "everything/etc/passwd",
        "loop",
        "ping",
        "dangling",
        "first",
        "a/file/more",
        "../secret",
        "a/../../secret",
    ] {
        assert_eq!(held(&root, path), None, "{path}");
    }
    let name = "n".repeat(300);
    assert_eq!(held(&root, &name), None, "longer than any name");
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let tree = Tree::new();
    let root = tree.root();
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mkfifo(&root.join("fifo"), mode).unwrap();
    let _listener = UnixListener::bind(root.join("socket")).unwrap();
    tree.link("root/to-fifo", "fifo");
    tree.link("root/to-device", "/dev/zero");
    // Whoever opened the FIFO for reading would let its writer go on.
    let fifo = root.join("fifo");
    let writer = thread::spawn(move || fs::OpenOptions::new().write(true).open(fifo));
    for path in ["fifo", "socket", "to-fifo", "to-device", "fifo/x"] {
        assert_eq!(held(&root, path), None, "{path}");
    }
    assert!(!writer.is_finished());
    drop(File::open(root.join("fifo")).unwrap());
    writer.join().unwrap().unwrap();
}

/// Replaces the link at `path`, as a kubelet does: nobody ever sees it missing.
fn swap(path: &Path, target: &str) {
    let new = path.with_file_name("..data_tmp");
    symlink(target, &new).unwrap();
    fs::rename(&new, path).unwrap();
}

/// Runs `change` over and over, with a growing number, while `look` runs.
fn while_changing(change: impl Fn(u32) + Sync, look: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let numbers = (1..).take_while(|_| !done.load(Ordering::Relaxed));
            numbers.for_each(&change);
        });
        let looked = panic::catch_unwind(AssertUnwindSafe(look));
        done.store(true, Ordering::Relaxed);
        looked.unwrap_or_else(|panic| panic::resume_unwind(panic));
    });
}

#[test]
fn a_file_that_each_version_has_is_found_however_often_versions_are_swapped() {
    let tree = Tree::new();
    let root = tree.root();
    let publish = |version: u32| {
        tree.write(&format!("root/..{version}/a/key"), &version.to_string());
        swap(&root.join("..data"), &format!("..{version}"));
        if let Some(last) = version.checked_sub(1) {
            fs::remove_dir_all(root.join(format!("..{last}"))).unwrap();
        }
    };
    publish(0);
    tree.link("root/a", "..data/a");
    tree.link("root/key", "..data/a/key");
    while_changing(publish, || {
        let mut last = [0, 0];
        for _ in 0..3000 {
            for (path, last) in ["key", "a/key"].into_iter().zip(&mut last) {
                let found = held(&root, path).unwrap_or_else(|| panic!("{path} after {last}"));
                let version = found.parse().unwrap();
                assert!(*last <= version, "{path}: {last}, then {version}");
                *last = version;
            }
        }
        assert!(last[0] > 10, "only {last:?} versions");
    });
}

#[test]
fn a_file_that_each_version_has_is_found_while_the_root_itself_is_swapped() {
    let tree = Tree::new();
    let publish = |version: u32| {
        tree.write(&format!("version-{version}/public/page"), "page");
        swap(&tree.path("current"), &format!("version-{version}"));
        if let Some(last) = version.checked_sub(1) {
            fs::remove_dir_all(tree.path(&format!("version-{last}"))).unwrap();
        }
    };
    publish(0);
    let root = tree.path("current/public");
    while_changing(publish, || {
        for attempt in 0..3000 {
            assert_eq!(held(&root, "page").as_deref(), Some("page"), "{attempt}");
        }
    });
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn whoever_swaps_what_is_inside_for_a_link_outside_gains_nothing() {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    let tree = Tree::new();
    let root = tree.root();
    tree.write("outside/file", "secret");
    tree.write("root/directory/file", "public");
    tree.write("root/file", "public");
    tree.link("root/link", "../outside");
    tree.link("root/link-to-file", "../outside/file");
    let exchange = |one: &str, other: &str| {
        let (one, other) = (root.join(one), root.join(other));
        let flags = RenameFlags::RENAME_EXCHANGE;
        renameat2(AT_FDCWD, &one, AT_FDCWD, &other, flags).unwrap();
    };
    let swap_both = |_| {
        exchange("directory", "link");
        exchange("file", "link-to-file");
    };
    while_changing(swap_both, || {
        for path in ["directory/file", "file"] {
            let found: Vec<_> = (0..20_000).filter_map(|_| held(&root, path)).collect();
            assert!(found.iter().all(|text| text == "public"), "{path}");
            assert!(!found.is_empty(), "{path} was never there");
        }
    });
}
