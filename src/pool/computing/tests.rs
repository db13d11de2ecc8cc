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
    /// Who has had a turn, and not ended.
    running: Vec<(TurnId, String)>,
}

impl Scene {
    fn new(most: usize) -> Scene {
        Scene {
            limit: ComputingLimit::new(most),
            now: Instant::now(),
            running: Vec::new(),
        }
    }

    fn begins(&mut self, next: Option<(TurnId, ComputingRequest)>) -> Option<String> {
        let (turn, mut request) = next?;
        let path = request.exchange.request().path().to_owned();
        self.running.push((turn, path.clone()));
        Some(path)
    }

    fn comes(&mut self, path: &str) -> Option<String> {
        self.now += SOON;
        let request = ComputingRequest {
            exchange: Box::new(Asking(Request::get(path))),
            since: self.now,
            expected: SOON,
            lane: 0,
        };
        let next = self.limit.admit(request, self.now);
        self.begins(next)
    }

    /// Who runs next when this one has ended.
    fn ends(&mut self, path: &str) -> Option<String> {
        self.now += SOON;
        let place = self.running.iter().position(|(_, running)| running == path);
        let (turn, _) = self.running.remove(place.expect("it runs"));
        let next = self.limit.end(turn, Some(SOON), self.now);
        self.begins(next)
    }

    /// Whose turn it is, and who has waited for too long.
    fn look_after(&mut self, time: Duration) -> [Vec<String>; 2] {
        self.now += time;
        let found = self.limit.look(self.now, TIMEOUT);
        let turns = found.turns.into_iter();
        let turns = turns.filter_map(|next| self.begins(Some(next))).collect();
        let path = |mut one: ComputingRequest| one.exchange.request().path().to_owned();
        [turns, found.expired.into_iter().map(path).collect()]
    }
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
    assert_eq!(scene.ends("/2"), named("/3"));
    assert_eq!(scene.comes("/5"), None, "others were there before");
    assert_eq!(
        ["/1", "/3"].map(|path| scene.ends(path)),
        [named("/4"), named("/5")]
    );
    assert_eq!(["/4", "/5"].map(|path| scene.ends(path)), [None, None]);
    assert_eq!(scene.comes("/6"), named("/6"));
}

#[test]
fn who_waits_for_something_although_it_was_to_compute_holds_up_the_others_once_and_for_a_moment() {
    let mut scene = Scene::new(1);
    assert!(scene.comes("/waits").is_some());
    assert_eq!(["/1", "/2"].map(|path| scene.comes(path)), [None, None]);
    assert_eq!(scene.look_after(LEAST_PATIENCE / 2)[0], [""; 0]);
    let next_look = scene.limit.next_look().expect("somebody waits");
    assert!(next_look <= scene.now + LEAST_PATIENCE / 2);
    assert_eq!(scene.look_after(next_look - scene.now)[0], ["/1"]);
    assert_eq!(scene.ends("/1"), named("/2"), "it counts no longer");
    assert_eq!(scene.comes("/3"), None, "/2 runs");
    assert_eq!(scene.ends("/waits"), None, "its turn has passed long ago");
    assert_eq!(scene.ends("/2"), named("/3"));
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
        let is_time = scene.now - first >= TIMEOUT;
        assert!(expired.is_empty() || is_time, "too early: {expired:?}");
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
    let stalled = scene.look_after(2 * TIMEOUT);
    assert_eq!(stalled, nothing, "it stood still meanwhile");
    assert_eq!(scene.look_after(LEAST_PATIENCE)[0], ["/1"]);
}

#[test]
fn nobody_is_looked_at_too_late_because_nobody_waited_for_long() {
    let mut scene = Scene::new(1);
    assert!(scene.comes("/1").is_some() && scene.comes("/2").is_none());
    scene.look_after(SOON);
    assert_eq!(scene.ends("/1"), named("/2"));
    scene.now += TIMEOUT;
    assert_eq!(scene.comes("/3"), None);
    assert_eq!(scene.look_after(SOON)[0], ["/3"], "/2 has had its time");
}

#[test]
fn when_the_quota_has_grown_more_compute_at_the_next_look() {
    let mut scene = Scene::new(1);
    for path in ["/1", "/2", "/3", "/4"] {
        scene.comes(path);
    }
    scene.limit.set_most(3);
    assert_eq!(scene.look_after(SOON)[0], ["/2", "/3"]);
    assert!(scene.ends("/1") == named("/4") && scene.limit.next_look().is_none());
}
