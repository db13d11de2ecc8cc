//! What a service does when its live settings have changed.

use super::task::TaskResult;
use crate::{observe::panics, spawn};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::io;

/// Called with the names of the settings that have changed: a function of `&[&'static str]`, and of the service's state
/// `&S` after it where it wants that. It returns nothing, or a `Result` whose error is logged. `Args` tells them apart,
/// and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a service whose state is `{S}` can call on a change",
    label = "expected a function of `&[&'static str]`, or of that and `&{S}`",
    note = "a closure has to name its parameters' types: `|names: &[&'static str]| …`"
)]
pub trait Reaction<S, Args>: Send + 'static {
    /// Reacts, on the thread `on-change`.
    ///
    /// # Errors
    /// Why it failed.
    fn react(&mut self, names: &[&'static str], state: &S) -> Result<(), String>;
}

impl<S, F, R> Reaction<S, ()> for F
where
    F: FnMut(&[&'static str]) -> R + Send + 'static,
    R: TaskResult,
{
    fn react(&mut self, names: &[&'static str], _: &S) -> Result<(), String> {
        self(names).into_result()
    }
}

impl<S, F, R> Reaction<S, (S,)> for F
where
    F: FnMut(&[&'static str], &S) -> R + Send + 'static,
    R: TaskResult,
{
    fn react(&mut self, names: &[&'static str], state: &S) -> Result<(), String> {
        self(names, state).into_result()
    }
}

/// A reaction that has its state.
pub(crate) type React = Box<dyn FnMut(&[&'static str]) -> Result<(), String> + Send>;

/// The thread on which a service's own code reacts: where that blocks, nothing waits for it but the next reaction.
pub(super) struct Reactions(Option<Sender<Vec<&'static str>>>);

impl Reactions {
    /// Starts the thread, which ends once this is dropped; none where nothing reacts.
    ///
    /// # Errors
    /// Where the thread cannot be had.
    pub(super) fn start(reactions: Vec<React>) -> io::Result<Reactions> {
        if reactions.is_empty() {
            return Ok(Reactions(None));
        }
        let (changes, inbox) = unbounded();
        spawn::named("on-change", move || run(reactions, &inbox))?;
        Ok(Reactions(Some(changes)))
    }

    pub(super) fn tell(&self, names: Vec<&'static str>) {
        if let Some(changes) = &self.0 {
            // The thread ends no sooner than this.
            let _ = changes.send(names);
        }
    }
}

fn run(mut reactions: Vec<React>, inbox: &Receiver<Vec<&'static str>>) {
    while let Ok(first) = inbox.recv() {
        // What has come while the last ones ran is one change for the next.
        let changed = first.into_iter().chain(inbox.try_iter().flatten());
        let mut names = Vec::new();
        for name in changed {
            if let Err(place) = names.binary_search(&name) {
                names.insert(place, name);
            }
        }
        for react in &mut reactions {
            let reacted = panics::catch(|| react(&names))
                .unwrap_or_else(|panicked| Err(format!("panicked: {panicked}")));
            if let Err(reason) = reacted {
                log::error!(settings = names.join(",").as_str(), reason = reason.as_str(); "a reaction to a changed configuration failed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    #[test]
    fn changes_that_come_while_a_reaction_runs_are_one_for_the_next_and_a_panic_ends_nothing() {
        let (entered, entering) = bounded(0);
        let (told, names) = unbounded();
        let panics: React = Box::new(|_| panic!("this reaction panics"));
        let slow: React = Box::new(move |names| {
            told.send(names.to_vec())
                .map_err(|error| error.to_string())?;
            entered.send(()).map_err(|error| error.to_string())
        });
        let reactions = Reactions::start(vec![panics, slow]).unwrap();
        reactions.tell(vec!["A"]);
        assert_eq!(names.recv(), Ok(vec!["A"]));
        reactions.tell(vec!["C", "B"]);
        reactions.tell(vec!["B", "D"]);
        entering.recv().unwrap();
        assert_eq!(names.recv(), Ok(vec!["B", "C", "D"]));
        entering.recv().unwrap();
        drop(reactions);
        assert!(names.recv().is_err(), "the thread has not ended");
    }
}
