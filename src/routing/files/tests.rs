use super::{failure::failure, *};
use http::StatusCode;
use nix::errno::Errno;
use std::{
    env, fs, io,
    os::unix::fs::symlink,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A directory `root` to serve, with room for what is outside beside it; removed when the test ends.
pub(super) struct Tree(PathBuf);

impl Tree {
    pub(super) fn new() -> Tree {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seaworthy-files-{}-{number}", process::id());
        let tree = Tree(env::temp_dir().join(name));
        fs::create_dir_all(tree.root()).unwrap();
        tree
    }

    pub(super) fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// Of the tree, not of its root.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn link(&self, path: &str, target: impl AsRef<Path>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_not_there_is_named_before_anyone_asks_for_it() {
    let tree = Tree::new();
    tree.write("root/index.html", "");
    let root = tree.root();
    assert_eq!(ServeDir::new(&root).check(), Ok(()));
    assert_eq!(ServeDir::new(&root).fallback("index.html").check(), Ok(()));
    for (files, path) in [
        (ServeDir::new(root.join("missing")), "root/missing"),
        (ServeDir::new(root.join("index.html")), "root/index.html"),
        (ServeDir::new(&root).fallback("app.html"), "root/app.html"),
        (ServeDir::new(&root).fallback(""), "root"),
    ] {
        let reason = files.check().unwrap_err();
        let path = tree.path(path).display().to_string();
        assert!(
            reason.starts_with(&format!("cannot serve {path}")),
            "{reason}"
        );
    }
}

#[test]
fn a_missing_script_is_not_answered_with_a_page_but_a_view_may_have_any_name() {
    let browser = "TEXT/HTML,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (path, accept, is_answered) in [
        ("", "*/*", true),
        ("orders/7", "*/*", true),
        ("users/john.doe", "*/*", true),
        ("page.html", "*/*", true),
        ("assets/app.js", "*/*", false),
        ("assets/app.css", "text/css,*/*;q=0.1", false),
        ("view/notes.txt", browser, true),
        ("assets/app.js", browser, true),
    ] {
        let accept = HeaderValue::from_static(accept);
        let request = Request::get("/").with_header(http::header::ACCEPT, accept);
        let stands = stands_for(Path::new("index.html"), Path::new(path), &request);
        assert_eq!(stands, is_answered, "{path}");
    }
}

#[test]
fn a_file_that_cannot_be_sent_is_told_apart_from_one_that_is_not_there() {
    for (errno, status) in [
        (Errno::EACCES, StatusCode::FORBIDDEN),
        (Errno::EMFILE, StatusCode::SERVICE_UNAVAILABLE),
        (Errno::EIO, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let error = failure(Path::new("a/b"), &io::Error::from(errno));
        assert_eq!(error.status(), status);
        assert!(error.cause().unwrap().starts_with("a/b: "));
        assert!(!error.message().contains("a/b"));
    }
}
