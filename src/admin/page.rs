//! What a page says, before it is text or HTML.

use super::chart::Chart;
use crate::lifecycle::flags::Flag;

/// A page of the admin port.
pub(super) struct Page {
    /// Its path without the slash, such as `statusz`.
    pub(super) name: &'static str,
    /// What it is about, in a line for people.
    pub(super) about: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// A part of a page.
pub(super) enum Block {
    /// Names with what there is to say of each.
    Facts(Vec<(&'static str, String)>),
    Table(Table),
    Settings(Vec<(&'static str, Flag)>),
    /// For browsers alone.
    Charts(Vec<Chart>),
}

pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: &'static [&'static str],
    pub(super) rows: Vec<Row>,
    /// What is said where there are no rows.
    pub(super) empty: &'static str,
}

pub(super) struct Row {
    pub(super) tone: Tone,
    pub(super) cells: Vec<String>,
}

/// Whether what a row tells is well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Doubtful,
    Bad,
}

impl Table {
    pub(super) fn new(
        title: impl Into<String>,
        columns: &'static [&'static str],
        empty: &'static str,
    ) -> Table {
        Table {
            title: title.into(),
            columns,
            rows: Vec::new(),
            empty,
        }
    }

    pub(super) fn row(&mut self, tone: Tone, cells: Vec<String>) {
        self.rows.push(Row { tone, cells });
    }
}
