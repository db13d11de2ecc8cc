//! What must hold of a connection whatever its client and the handlers do: asserted over generated sequences by the
//! property tests and over mutated ones by the fuzz target.

mod answers;
pub(crate) mod flows;
pub(crate) mod outlet;
mod phrases;
mod pushes;
pub(crate) mod replies;
pub(crate) mod rig;
pub(crate) mod wire;

use self::{
    answers::{Answer, answer},
    phrases::PHRASES,
    replies::{Reply, read_reply},
    rig::{Owner, Rig},
    wire::End,
};
use super::Rules;
use crate::{
    config::table::{Config, live::LiveConfig},
    engine::{
        http1::{CONTINUE, invariants::LIMITS},
        lifetime::Lifetime,
        memory::Memory,
        places::Places,
        rules::Policy,
    },
    message::{pushed::sender::Sender, request::Request, response::Response},
};
use http::{Method, StatusCode};
use std::{rc::Rc, sync::LazyLock, time::Duration};

/// What the connections of a run may hold together.
const BUFFER_MEMORY: usize = 64 * 1024;

/// Plays a script of what client, clock and handlers do, and checks all that can be said of it.
pub(crate) fn connection(script: &[u8]) {
    let mut script = Script(script);
    let sizes = script.number();
    let mut play = Play::new([7, 64, 1024, 32 * 1024][sizes % 4]);
    play.rig.turn = [128 * 1024, 1, 500][sizes / 4 % 3];
    if script.number() % 2 == 1 {
        play.rig.wire().room = 0;
    }
    while let Some(act) = script.next() {
        play.act(act, &mut script);
    }
    play.finish();
    play.check();
}

/// The bytes of a script that are still to be played.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn number(&mut self) -> usize {
        self.next().map_or(0, usize::from)
    }

    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

/// A run of one connection, and what is known of it from outside.
struct Play {
    rig: Rig,
    /// What the client has written and the network has not delivered.
    outbox: Vec<u8>,
    delivered: Vec<u8>,
    /// Method, target and body of each request that came out.
    requests: Vec<(String, String, Vec<u8>)>,
    answers: Vec<Answer>,
    /// The last request is one whose body was not taken to its end.
    is_unfinished: bool,
    /// Pushes the body of the last answer.
    sender: Option<Sender>,
    /// What other connections are charged for of requests and of responses.
    others: [usize; 2],
    client_has_reset: bool,
    /// In the end the client took everything that it was sent.
    client_takes_all: bool,
}

impl Play {
    fn new(scratch: usize) -> Play {
        Play {
            rig: Rig::new(&rules_with(BUFFER_MEMORY, flows::policy()), scratch),
            outbox: Vec::new(),
            delivered: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            is_unfinished: false,
            sender: None,
            others: [0; 2],
            client_has_reset: false,
            client_takes_all: false,
        }
    }

    fn act(&mut self, act: u8, script: &mut Script<'_>) {
        if self.rig.owner == Owner::Nobody {
            return;
        }
        match act % 16 {
            0..=2 => {
                self.write(PHRASES[script.number() % PHRASES.len()]);
                self.deliver(usize::MAX);
            }
            3 => self.write(PHRASES[script.number() % PHRASES.len()]),
            4 => {
                let count = script.number();
                self.write(script.bytes(count));
            }
            5 if act > 127 => self.deliver_unseen(script.number()),
            5 => self.deliver(script.number()),
            6 if act > 127 => self.deliver_unseen(usize::MAX),
            6 => self.deliver(usize::MAX),
            7 if act > 127 => self.rig.take_unseen(script.number() * 1024),
            7 => {
                self.rig.take(script.number());
            }
            8 => {
                self.rig.take(script.number() * 1024);
            }
            9 if script.number().is_multiple_of(2) => {
                self.rig.leave(End::HalfClosed);
            }
            9 => {
                self.client_has_reset = true;
                self.rig.leave(End::Reset);
            }
            10 => {
                let time = Duration::from_millis(250) * script.number() as u32;
                self.expect_what_has_arrived(|rig| {
                    rig.pass(time);
                });
            }
            11 => self.expect_what_has_arrived(|rig| {
                rig.pass_until_due();
            }),
            12 => {
                let holds = script.number() * 512;
                self.charge_others([holds, holds]);
            }
            13 if script.number().is_multiple_of(2) => {
                self.rig.wire().interruptions = script.number() % 4;
            }
            13 if act > 127 => self.expect_what_has_arrived(Rig::need_place),
            13 => {
                self.rig.relieve();
            }
            15 if act > 127 => self.push(script.number()),
            _ => self.work(script.number()),
        }
        self.take_note();
    }

    fn write(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    fn deliver(&mut self, count: usize) {
        self.deliver_unseen(count);
        self.rig.send([]);
    }

    /// The process does not run meanwhile, so that nothing tells it of what arrives.
    fn deliver_unseen(&mut self, count: usize) {
        let count = count.min(self.outbox.len());
        let bytes: Vec<u8> = self.outbox.drain(..count).collect();
        self.delivered.extend_from_slice(&bytes);
        self.rig.arrive(bytes);
    }

    /// Does what may end the connection by the server's own decision: a request that has arrived comes out all the same.
    fn expect_what_has_arrived(&mut self, decide: impl FnOnce(&mut Rig)) {
        let connection = &self.rig.connection;
        let waits = connection.is_idle() || connection.is_fresh() || connection.is_receiving();
        let is_awaited = self.rig.owner == Owner::Reactor && waits && !self.is_short_of_memory();
        let (due, now) = (connection.deadline, self.rig.now);
        let sent = self.rig.wire().sent.len();
        decide(&mut self.rig);
        let was_looked_at = self.rig.owner == Owner::Nobody
            || self.rig.wire().sent.len() > sent
            || (self.rig.now > now && self.rig.now >= due);
        let is_awaited = is_awaited && !self.is_unfinished;
        if is_awaited && was_looked_at && self.rig.owner != Owner::Handler {
            let whole = requests_in(&self.delivered).len();
            assert_eq!(whole, self.requests.len(), "it had arrived, and is lost");
        }
    }

    fn is_short_of_memory(&self) -> bool {
        self.others[0] > 0
    }

    /// Does what the connection waits for a worker to do.
    fn work(&mut self, kind: usize) {
        match self.rig.owner {
            Owner::Handler => {
                if kind == 255 {
                    self.rig.put_back();
                    return;
                }
                if self.lets_body_come(kind) {
                    return;
                }
                let (response, mut answer) = match kind {
                    240.. => self.channel(kind),
                    _ => answer(kind / 2),
                };
                let is_head = self.rig.connection.request().method() == Method::HEAD;
                if is_head {
                    (answer.is_head, answer.fails) = (true, false);
                    answer.body.clear();
                }
                self.answers.push(answer);
                self.rig.respond(response, kind % 2 == 1);
            }
            Owner::Streamer => {
                self.rig.pump();
            }
            Owner::Taker => self.take_piece(kind),
            Owner::Reactor | Owner::Nobody => {}
        }
    }

    /// After every act: what came out, and what may not be.
    fn take_note(&mut self) {
        if self.rig.owner == Owner::Handler && self.requests.len() == self.answers.len() {
            self.requests.push(note(self.rig.connection.request()));
        }
        let is_out = self.rig.owner == Owner::Handler || self.is_unfinished;
        let are_answered = self.requests.len() - self.answers.len();
        assert!(are_answered == 0 || (is_out && are_answered == 1));
        let memory = &self.rig.rules.memory;
        let connection = &self.rig.connection;
        let [requests, responses] = self.others;
        assert_eq!(
            memory.requests.used(),
            requests + connection.charged_request
        );
        assert_eq!(
            memory.responses.used(),
            responses + connection.charged_response
        );
    }

    fn charge_others(&mut self, [requests, responses]: [usize; 2]) {
        let memory = &self.rig.rules.memory;
        memory.requests.settle(&mut self.others[0], requests);
        memory.responses.settle(&mut self.others[1], responses);
    }

    /// The client takes all and does nothing more: the connection comes to an end.
    fn finish(&mut self) {
        let mut steps_left = 100 + self.delivered.len();
        self.client_takes_all = self.rig.owner != Owner::Nobody && !self.client_has_reset;
        self.rig.take(usize::MAX);
        self.push(255);
        self.take_note();
        while self.rig.owner != Owner::Nobody {
            match self.rig.owner {
                Owner::Handler | Owner::Streamer | Owner::Taker => self.work(2),
                Owner::Reactor | Owner::Nobody => {
                    self.rig.pass_until_due();
                }
            }
            self.take_note();
            steps_left -= 1;
            assert!(steps_left > 0, "never ends");
        }
        self.charge_others([0; 2]);
        let memory = &self.rig.rules.memory;
        assert_eq!(memory.requests.used(), 0, "not given back");
        assert_eq!(memory.responses.used(), 0, "not given back");
        assert_eq!(self.rig.outlet.charged(), 0, "not given back");
    }

    /// After the end: each request was one that the client sent, in order, and has its one response, whole unless
    /// the client can tell; at most one refusal follows, and nothing follows a refusal.
    fn check(&mut self) {
        let asked = requests_in(&self.delivered);
        let finished = self.requests.len() - usize::from(self.is_unfinished);
        assert_eq!(self.requests[..finished], asked[..finished]);
        if let (Some((.., part)), Some((.., whole))) =
            (self.requests.get(finished), asked.get(finished))
        {
            assert!(whole.starts_with(part), "not what the client sent");
        }

        let sent = std::mem::take(&mut self.rig.wire().sent);
        let cut = self.rig.wire().aborts() || self.client_has_reset;
        let mut rest = &sent[..];
        let mut replies = 0;
        let mut is_last = false;
        let mut may_lack_more = false;
        while !rest.is_empty() {
            assert!(!is_last, "sends on after the last response");
            let answer = self.answers.get(replies);
            let is_head = answer.is_some_and(|answer| answer.is_head);
            let Some(reply) = read_reply(rest, is_head) else {
                assert!(
                    cut || answer.is_none() && CONTINUE.starts_with(rest),
                    "half a head"
                );
                return;
            };
            match answer {
                Some(answer) => check_reply(&reply, answer, cut),
                None => reply.expect_refusal(cut),
            }
            is_last = reply.closes || answer.is_none();
            may_lack_more = !reply.is_whole || reply.ends_by_close;
            rest = &rest[reply.len..];
            replies += 1;
        }
        assert!(
            cut || replies >= self.answers.len(),
            "a request without a response"
        );
        assert!(
            !cut || !self.client_takes_all || may_lack_more,
            "cut for nothing"
        );
        assert!(
            finished <= replies || cut,
            "a request after the last response"
        );
    }
}

fn check_reply(reply: &Reply, answer: &Answer, cut: bool) {
    assert!(reply.continues <= 1, "more than one 100");
    assert_eq!(reply.status, answer.status.as_u16());
    assert!(answer.body.starts_with(&reply.body), "not the body");
    let is_whole = reply.is_whole && reply.body.len() == answer.body.len() && !answer.fails;
    assert!(is_whole || cut, "half a response that looks whole");
}

/// Read once: a default asks the machine for its limits.
static CONFIG: LazyLock<Config> = LazyLock::new(Config::default);

fn rules(memory: usize) -> Rc<Rules> {
    rules_with(memory, Policy::default())
}

fn rules_with(memory: usize, policy: Policy) -> Rc<Rules> {
    let live = LiveConfig::of(&CONFIG);
    Rc::new(Rules {
        limits: LIMITS,
        min_body_rate: 240,
        memory: Memory::new(memory, None),
        places: Places::new(1, 1),
        lifetime: Lifetime::of(&CONFIG, &live),
        live,
        closed: Default::default(),
        policy,
        max_body_bytes: LIMITS.max_body_bytes,
    })
}

/// The requests in these bytes where they arrive at once and everything is in good order.
fn requests_in(bytes: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let mut rig = Rig::new(&rules(usize::MAX), bytes.len() + 1);
    let mut requests = Vec::new();
    rig.send(bytes);
    rig.serve(&mut |request| {
        requests.push(note(request));
        Response::new(StatusCode::OK)
    });
    requests
}

fn note(request: &Request) -> (String, String, Vec<u8>) {
    let target = format!("{}?{}", request.path(), request.query().unwrap_or_default());
    (request.method().to_string(), target, request.body().into())
}
