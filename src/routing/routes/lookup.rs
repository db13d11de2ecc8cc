//! From a method and a path to the endpoint that answers, and what can be asked of a group's routes as a whole.

use super::{Endpoint, Routes};
use crate::routing::{layer::SharedLayer, pattern, resource::Resource};
use http::{HeaderValue, Method};
use std::borrow::Cow;

/// A path as the parser let it through, in ASCII alone.
fn text(path: &[u8]) -> &str {
    str::from_utf8(path).unwrap_or_default()
}

/// What a path and a method lead to.
pub(crate) struct Found<'r, S> {
    pub(crate) endpoint: &'r Endpoint<S>,
    /// False where the path is there with other methods only; the endpoint is one of those then.
    pub(crate) is_allowed: bool,
    /// In the template's order, decoded; none where one is no UTF-8.
    pub(crate) params: Option<Vec<String>>,
}

impl<S: 'static> Routes<S> {
    /// What answers a method on a path as it was sent.
    pub(crate) fn at(&self, method: &Method, path: &[u8]) -> Option<Found<'_, S>> {
        let literal = |place: usize| self.found(&self.resources[place], method, Some(Vec::new()));
        // A template is in normal form, which is its own normal form.
        if let Some(place) = self.literals.at(path) {
            return Some(literal(place));
        }
        let path = pattern::normal_path(text(path));
        if let Cow::Owned(decoded) = &path
            && let Some(place) = self.literals.at(decoded.as_bytes())
        {
            return Some(literal(place));
        }
        let path = &*path;
        let Ok(found) = self.paths.at(path) else {
            let found = self.fallbacks.at(path).ok()?;
            let resource = &self.resources[*found.value];
            let has_params = resource.template.contains('{');
            let params = match has_params {
                true => pattern::parameters(&found.params),
                false => Some(Vec::new()),
            };
            return Some(self.found(resource, method, params));
        };
        let params = pattern::parameters(&found.params);
        Some(self.found(&self.resources[*found.value], method, params))
    }

    fn found(
        &self,
        resource: &Resource,
        method: &Method,
        params: Option<Vec<String>>,
    ) -> Found<'_, S> {
        let index = resource.endpoint(method);
        Found {
            endpoint: &self.endpoints[index.unwrap_or_else(|| resource.first())],
            is_allowed: index.is_some(),
            params,
        }
    }

    pub(crate) fn endpoint(&self, index: usize) -> &Endpoint<S> {
        &self.endpoints[index]
    }

    pub(crate) fn endpoint_count(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether a route has exactly this template.
    pub(crate) fn has_template(&self, template: &str) -> bool {
        let mut all = self.resources.iter();
        all.any(|resource| !resource.is_fallback && resource.template == template)
    }

    pub(crate) fn layers(&self) -> &[SharedLayer<S>] {
        &self.layers
    }

    /// What `Allow` says where an endpoint's path is, by the endpoint's index.
    pub(crate) fn allowed(&self, index: usize) -> Option<HeaderValue> {
        let mut all = self.resources.iter();
        let resource = all.find(|resource| resource.has(index))?;
        Some(resource.allowed())
    }

    /// Whether any route at all takes this method.
    pub(crate) fn knows(&self, method: &Method) -> bool {
        self.resources.iter().any(|resource| {
            let takes_any = resource.any.is_some() && !resource.is_fallback;
            takes_any || resource.methods.iter().any(|(known, _)| known == method)
        })
    }

    /// The templates of the routes that answer GET or HEAD by name.
    pub(crate) fn reads(&self) -> impl Iterator<Item = &str> {
        let reads = |resource: &&Resource| {
            let of_read =
                |(method, _): &(Method, usize)| matches!(*method, Method::GET | Method::HEAD);
            !resource.is_fallback && resource.methods.iter().any(of_read)
        };
        let resources = self.resources.iter().filter(reads);
        resources.map(|resource| resource.template.as_str())
    }

    /// The largest limit that a route has on its bodies, where one has.
    pub(crate) fn largest_body_limit(&self) -> Option<u64> {
        let limits = self
            .endpoints
            .iter()
            .filter_map(|endpoint| endpoint.route.body_limit);
        limits.max()
    }

    /// A route that takes its body as it comes, where there is one.
    pub(crate) fn upload_route(&self) -> Option<&crate::message::route::Route> {
        let mut routes = self.endpoints.iter().map(|endpoint| &*endpoint.route);
        routes.find(|route| route.takes_flowing_body)
    }
}
