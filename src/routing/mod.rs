//! Which handler a request belongs to, and the layers around it.

pub(crate) mod layers;
pub(crate) mod router;
