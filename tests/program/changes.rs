//! A change of `CONFIG_DIR` under the running program.

use crate::{mounted::Mounted, run, serving::Serving};
use std::thread;

pub(crate) fn a_setting_of_its_own_that_turns_bad_refuses_the_change_as_a_start_would() {
    const ENGINES: &[&str] = if cfg!(feature = "tiny_http") {
        &["native", "tiny_http"]
    } else {
        &["native"]
    };
    thread::scope(|threads| {
        for engine in ENGINES {
            threads.spawn(|| the_change_is_refused(engine));
        }
    });
}

fn the_change_is_refused(engine: &str) {
    let mounted = Mounted::new(&[("SHARDS", "8"), ("QUEUE", "queue")]);
    let path = mounted.path();
    let settings = [("CONFIG_DIR", path.as_str()), ("HTTP_ENGINE", engine)];
    let mut service = Serving::start(&settings);
    // In the same change as a good one of what is live.
    mounted.swap(&[
        ("SHARDS", "many"),
        ("QUEUE", "queue"),
        ("ACCESS_LOG", "all"),
    ]);
    let refused =
        service.read_until("a changed configuration was refused: everything stays as it was");
    let reason = refused["reason"].as_str().expect("a reason");
    let expected =
        format!("SHARDS=\"many\" in {path}/SHARDS: expected a whole number from 1 to 64");
    assert_eq!(reason, expected);
    let (code, _, stderr) = run(&["serve"], &settings);
    assert_eq!(code, 78);
    assert!(stderr.contains(reason), "{stderr}");
    assert!(service.get("/shards", "").ends_with("\r\n\r\n8"));

    mounted.swap(&[("SHARDS", "9"), ("QUEUE", "queue"), ("ACCESS_LOG", "all")]);
    let waiting = service.read_until("settings have changed that take effect with a restart");
    assert_eq!(waiting["settings"], "SHARDS");
    let changed = service.read_until("the configuration has changed");
    assert_eq!(changed["settings"], "ACCESS_LOG");
    assert!(service.get("/shards", "").ends_with("\r\n\r\n8"));

    mounted.swap(&[("SHARDS", "9")]);
    let refused =
        service.read_until("a changed configuration was refused: everything stays as it was");
    assert_eq!(refused["reason"], "QUEUE: required, but not given");
    let log = service.end();
    let requests = log.iter().filter(|record| record["msg"] == "request");
    assert_eq!(requests.count(), 1, "{log:?}");
}
