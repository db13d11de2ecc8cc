//! The templates without parameters: most paths are equal to one of a few.

use std::cmp::Ordering;

/// Each with the place of its resource, in the order of [`compare`].
#[derive(Default)]
pub(super) struct Literals(Vec<(Box<str>, usize)>);

impl Literals {
    /// Adds a template that is not there yet, unless it has parameters or escapes of its own.
    pub(super) fn insert(&mut self, template: &str, place: usize) {
        if !template.contains(['{', '}']) {
            let before =
                |(known, _): &(Box<str>, usize)| compare(known, template.as_bytes()).is_lt();
            let at = self.0.partition_point(before);
            self.0.insert(at, (template.into(), place));
        }
    }

    /// The place of the template that a path is equal to.
    pub(super) fn at(&self, path: &[u8]) -> Option<usize> {
        let found = self.0.binary_search_by(|(known, _)| compare(known, path));
        found.ok().map(|at| self.0[at].1)
    }
}

/// By length first, which is enough to tell most of them apart.
fn compare(one: &str, other: &[u8]) -> Ordering {
    let by_length = one.len().cmp(&other.len());
    by_length.then_with(|| one.as_bytes().cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_literal_is_found_whatever_the_order_of_adding_and_nothing_else_is() {
        let all = ["/shop", "/", "/users/all", "/cart", "/a/b/c", "/shoq"];
        let mut literals = Literals::default();
        for (place, template) in all.iter().enumerate() {
            literals.insert(template, place);
        }
        literals.insert("/users/{id}", all.len());
        for (place, template) in all.iter().enumerate() {
            assert_eq!(literals.at(template.as_bytes()), Some(place), "{template}");
        }
        for other in ["", "/shop/", "/sho", "/users/{id}", "/users/7", "/a/b/d"] {
            assert_eq!(literals.at(other.as_bytes()), None, "{other}");
        }
    }
}
