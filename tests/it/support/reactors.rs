//! With how many reactors everything is tried: one, or what `TEST_REACTORS` says.

use super::Engine;

/// The setting for that; nothing where there is no such variable.
pub(crate) fn reactors() -> Option<(String, String)> {
    let count = std::env::var("TEST_REACTORS").ok()?;
    Some(("REACTORS".to_owned(), count))
}

/// How many threads drive sockets.
pub(crate) fn drivers(engine: Engine) -> usize {
    let count = reactors().filter(|_| engine == Engine::Native);
    count.map_or(1, |(_, count)| count.parse().expect("a number"))
}
