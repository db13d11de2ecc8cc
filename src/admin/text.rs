//! A page as text, as Kubernetes' components write theirs.

use super::page::{Block, Page, Table};
use std::fmt::Write;

/// As they write it (KEP-4827, KEP-4828), so that whoever knows theirs knows this.
const WARNING: &str = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility \
guarantees and is for debugging purposes only.";

/// A longer assignment does not push every source off the screen.
const WIDEST_ASSIGNMENT: usize = 48;

/// The page of the service of this name.
pub(super) fn render(service: &str, page: &Page) -> String {
    let mut out = format!("\n{service} {}\n{WARNING}\n", page.name);
    for block in &page.blocks {
        match block {
            Block::Charts(_) => {}
            Block::Facts(facts) => {
                out.push('\n');
                for (name, value) in facts {
                    push_line(&mut out, &format!("{name}: {}", printable(value)));
                }
            }
            Block::Settings(settings) => {
                out.push('\n');
                let assignments = settings
                    .iter()
                    .map(|(name, flag)| format!("{name}={}", printable(&flag.shown)));
                let assignments: Vec<String> = assignments.collect();
                let width = widest(&assignments, WIDEST_ASSIGNMENT);
                for (assignment, (_, flag)) in assignments.iter().zip(settings) {
                    let source = printable(&flag.source);
                    push_line(
                        &mut out,
                        &format!("{}# {source}", padded(assignment, width + 2)),
                    );
                }
            }
            Block::Table(table) => push_table(&mut out, table),
        }
    }
    out
}

fn push_table(out: &mut String, table: &Table) {
    let _ = write!(out, "\n{}\n", table.title);
    if table.rows.is_empty() {
        return push_line(out, table.empty);
    }
    let head = table
        .columns
        .iter()
        .map(|name| (*name).to_owned())
        .collect();
    let body = table.rows.iter().map(|row| {
        let cells = row.cells.iter().map(|cell| printable(cell));
        cells.collect::<Vec<String>>()
    });
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let mut texts: Vec<String> = vec![String::new(); lines.len()];
    for column in 0..table.columns.len() {
        let width = texts.iter().map(|text| text.chars().count()).max();
        for (text, cells) in texts.iter_mut().zip(&lines) {
            let gap = if column == 0 { 0 } else { 2 };
            *text = padded(text, width.unwrap_or(0) + gap);
            text.push_str(cells.get(column).map_or("", |cell| cell));
        }
    }
    texts.iter().for_each(|text| push_line(out, text));
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line.trim_end());
    out.push('\n');
}

fn widest(texts: &[String], at_most: usize) -> usize {
    let lengths = texts.iter().map(|text| text.chars().count());
    lengths
        .filter(|length| *length <= at_most)
        .max()
        .unwrap_or(0)
}

/// With at least one space behind it, where it is too wide.
fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let spaces = if text.is_empty() {
        missing
    } else {
        missing.max(1)
    };
    let mut padded = String::with_capacity(text.len() + spaces);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', spaces));
    padded
}

/// What may stand in a line of a terminal: no control bytes, which could do anything there.
fn printable(text: &str) -> String {
    match text.contains(char::is_control) {
        true => format!("{text:?}"),
        false => text.to_owned(),
    }
}
