//! What a template leads to.

use http::{HeaderValue, Method};

/// What a template leads to: an endpoint for each method.
pub(super) struct Resource {
    pub(super) template: String,
    pub(super) methods: Vec<(Method, usize)>,
    /// For every other method.
    pub(super) any: Option<usize>,
    pub(super) is_fallback: bool,
}

impl Resource {
    pub(super) fn new(template: &str, is_fallback: bool) -> Resource {
        Resource {
            template: template.to_owned(),
            methods: Vec::new(),
            any: None,
            is_fallback,
        }
    }

    /// The endpoint of a method; GET's serves HEAD where that has none of its own.
    pub(super) fn endpoint(&self, asked: &Method) -> Option<usize> {
        let of = |method: &Method| self.methods.iter().find(|(known, _)| known == method);
        let found = of(asked).or_else(|| of(&Method::GET).filter(|_| asked == Method::HEAD));
        found.map(|(_, index)| *index).or(self.any)
    }

    /// Any of its endpoints: they share the template, and nearly always the layers.
    pub(super) fn first(&self) -> usize {
        let first = self.methods.first().map(|(_, index)| *index).or(self.any);
        first.expect("a resource is made for an endpoint")
    }

    pub(super) fn has(&self, endpoint: usize) -> bool {
        let mut of_methods = self.methods.iter().map(|(_, index)| *index);
        self.any == Some(endpoint) || of_methods.any(|index| index == endpoint)
    }

    /// What `Allow` says (RFC 9110 section 10.2.1).
    pub(super) fn allowed(&self) -> HeaderValue {
        let mut names: Vec<&str> = self
            .methods
            .iter()
            .map(|(method, _)| method.as_str())
            .collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        HeaderValue::from_str(&names.join(", ")).expect("methods are tokens")
    }
}
