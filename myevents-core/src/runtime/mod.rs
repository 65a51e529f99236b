//! What a binary needs: configuration, telemetry, the HTTP server, shutdown.
