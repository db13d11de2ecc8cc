//! The guide: from an empty directory to a service in a cluster, and what is worth knowing once it is there.
//!
//! | page | for |
//! |---|---|
//! | [A first service](first_service) | an empty directory, and ten minutes |
//! | [Handlers, state and errors](handlers) | routes, what a handler is given and may return, layers |
//! | [Bodies](bodies) | JSON, forms, files, uploads larger than memory, answers that are streamed, pushed or given later |
//! | [Health checks](health) | what each probe means, and what a check should ask |
//! | [Background work](background) | start-up tasks, services beside the handlers, scheduled jobs |
//! | [Configuration and secrets](configuration) | every setting, settings of one's own, changes under a running pod |
//! | [Logs, metrics and traces](observability) | what it tells of itself, and how to add to it |
//! | [Testing](testing) | without a socket, over a socket, as a process |
//! | [Deployment](deployment) | an image, manifests, a cluster |
//! | [The life of a pod](life_of_a_pod) | from start-up to the last answer, and what real clusters taught |
//! | [Tuning](tuning) | threads, quotas, memory, connections |
//! | [Security](security) | what is refused, what is bounded, what to put in front |
//! | [The two engines](engines) | `native` and `tiny_http` |
//!
//! For those who know their way elsewhere, tables of "there → here": coming from [axum](coming_from_axum), from
//! [Go's `net/http`](coming_from_go), from [ASP.NET Core](coming_from_aspnet).
//!
//! All Rust in it is compiled, and run where it can be, by `cargo test`; each command is run by CI.

#[doc = include_str!("first_service.md")]
pub mod first_service {}

#[doc = include_str!("handlers.md")]
pub mod handlers {}

#[doc = include_str!("bodies.md")]
pub mod bodies {}

#[doc = include_str!("health.md")]
pub mod health {}

#[doc = include_str!("background.md")]
pub mod background {}

#[doc = include_str!("configuration.md")]
pub mod configuration {}

#[doc = include_str!("observability.md")]
pub mod observability {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("deployment.md")]
pub mod deployment {}

#[doc = include_str!("life_of_a_pod.md")]
pub mod life_of_a_pod {}

#[doc = include_str!("tuning.md")]
pub mod tuning {}

#[doc = include_str!("security.md")]
pub mod security {}

#[doc = include_str!("engines.md")]
pub mod engines {}

#[doc = include_str!("coming_from_axum.md")]
pub mod coming_from_axum {}

#[doc = include_str!("coming_from_go.md")]
pub mod coming_from_go {}

#[doc = include_str!("coming_from_aspnet.md")]
pub mod coming_from_aspnet {}
