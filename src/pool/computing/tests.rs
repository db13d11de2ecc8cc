use super::*;
use crate::message::{request::Request, response::Response};

const TIMEOUT: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(1);

struct Asking(Request);

impl Exchange for Asking {
    fn request(&mut self) -> &mut Request {
        &mut self.0
    }

    fn respond(self: Box<Self>, _: Response, _: bool) -> bool {
        unreachable!("nobody answers it")
    }

    fn stream(self: Box<Self>) -> bool {
        unreachable!("it has no stream")
    }
}

/// Requests that come one millisecond after the other, and what becomes of them by their paths.
struct Scene {
    limit: ComputingLimit,
    now: Instant,
}

impl Scene {
    fn new(most: usize) -> Scene {
        Scene {
            limit: ComputingLimit::new(most),
            now: Instant::now(),
        }
    }

    fn comes(&mut self, path: &str) -> Option<String> {
        self.now += SOON;
        let request = Computing {
            exchange: Box::new(Asking(Request::get(path))),
            since: self.now,
            expected: SOON,
            lane: 0,
        };
        path_of(self.limit.admit(request, self.now))
    }

    fn ends(&mut self) -> Option<String> {
        self.now += SOON;
        path_of(self.limit.end(SOON, self.now))
    }

    /// Whose turn it is, and who has waited for too long.
    fn look_after(&mut self, time: Duration) -> [Vec<String>; 2] {
        self.now += time;
        let found = self.limit.look(self.now, TIMEOUT);
        let told = |all: Vec<Computing>| all.into_iter().filter_map(|one| path_of(Some(one)));
        [told(found.turns).collect(), told(found.expired).collect()]
    }
}

fn path_of(request: Option<Computing>) -> Option<String> {
    request.map(|mut request| request.exchange.request().path().to_owned())
}

fn named(path: &str) -> Option<String> {
    Some(path.to_owned())
}

#[test]
fn as_many_compute_at_once_as_may_and_the_others_follow_in_the_order_in_which_they_came() {
    let mut scene = Scene::new(2);
    assert_eq!(
        ["/1", "/2"].map(|path| scene.comes(path)),
        [named("/1"), named("/2")]
    );
    assert_eq!(["/3", "/4"].map(|path| scene.comes(path)), [None, None]);
    assert_eq!(scene.limit.len(), 2);
    assert_eq!(scene.ends(), named("/3"));
    assert_eq!(scene.comes("/5"), None, "others were there before");
    assert_eq!([scene.ends(), scene.ends()], [named("/4"), named("/5")]);
    assert_eq!([scene.ends(), scene.ends()], [None, None]);
    assert_eq!(scene.comes("/6"), named("/6"));
}

#[test]
fn who_waits_for_something_although_it_was_to_compute_holds_up_the_others_for_a_moment_only() {
    let mut scene = Scene::new(1);
    assert!(scene.comes("/waits").is_some());
    assert_eq!(["/1", "/2"].map(|path| scene.comes(path)), [None, None]);
    assert_eq!(scene.look_after(LEAST_PATIENCE / 2)[0], [""; 0]);
    let next_look = scene.limit.next_look().expect("somebody waits");
    assert!(next_look <= scene.now + LEAST_PATIENCE / 2);
    assert_eq!(scene.look_after(next_look - scene.now)[0], ["/1"]);
    assert_eq!(
        scene.ends(),
        None,
        "it is one too many as long as the first waits"
    );
    assert_eq!(scene.look_after(LEAST_PATIENCE)[0], ["/2"]);
}

#[test]
fn who_has_waited_for_too_long_is_let_go() {
    let mut scene = Scene::new(1);
    (0..60).for_each(|number| drop(scene.comes(&format!("/{number}"))));
    let first = scene.limit.lock().waiting[0].since;
    scene.limit.lock().usual = TIMEOUT;
    scene.look_after(SOON);
    let mut let_in = 0;
    while scene.now < first + TIMEOUT {
        let next_look = scene.limit.next_look().expect("somebody waits");
        let [turns, expired] = scene.look_after(next_look - scene.now);
        let_in += turns.len();
        assert!(
            expired.is_empty() || scene.now - first >= TIMEOUT,
            "too early: {expired:?}"
        );
    }
    scene.look_after(60 * SOON);
    assert!((9..=10).contains(&let_in), "one in a second: {let_in}");
    assert_eq!(scene.limit.len(), 0);
}

#[test]
fn a_stall_of_the_process_is_no_wait() {
    let mut scene = Scene::new(1);
    (0..3).for_each(|number| drop(scene.comes(&format!("/{number}"))));
    let nothing: [Vec<String>; 2] = Default::default();
    assert_eq!(scene.look_after(SOON), nothing);
    assert_eq!(
        scene.look_after(2 * TIMEOUT),
        nothing,
        "it stood still meanwhile"
    );
    assert_eq!(scene.look_after(LEAST_PATIENCE)[0], ["/1"]);
}

#[test]
fn when_the_quota_has_grown_more_compute_at_the_next_look() {
    let mut scene = Scene::new(1);
    for path in ["/1", "/2", "/3", "/4"] {
        scene.comes(path);
    }
    scene.limit.set_most(3);
    assert_eq!(scene.look_after(SOON)[0], ["/2", "/3"]);
    assert!(scene.ends() == named("/4") && scene.limit.next_look().is_none());
}
