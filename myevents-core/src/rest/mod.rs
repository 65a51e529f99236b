//! REST routers on axum.
