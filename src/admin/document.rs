//! What a page tells, whatever form it is in.

use super::chart::Charts;
use crate::lifecycle::flags::Flag;
use std::fmt::{self, Arguments, Display, Formatter};

/// A page of the admin port, as it is being told. Nothing is kept of what it is given, so that a page is no more than a few
/// calls; and nothing that is given needs care, whoever wrote it.
pub(super) trait Document {
    /// A name and what there is to say of it.
    fn fact(&mut self, name: &str, value: Arguments<'_>);

    /// The facts that follow are about something else.
    fn next_facts(&mut self);

    /// Begins a table, of which `empty` is said where no row follows.
    fn table(
        &mut self,
        title: Arguments<'_>,
        columns: &'static [&'static str],
        empty: &'static str,
    );

    /// A row of the table that was begun last; as many cells as there are columns.
    fn row(&mut self, tone: Tone, cells: &[&dyn Display]);

    fn settings(&mut self, settings: &[(&'static str, Flag)]);

    fn charts(&mut self, charts: &Charts);
}

/// Whether what a row tells is well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
}

/// A cell that is empty where there is none.
pub(super) struct Known<'a, T>(pub(super) &'a Option<T>);

impl<T: Display> Display for Known<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|known| known.fmt(f))
    }
}
