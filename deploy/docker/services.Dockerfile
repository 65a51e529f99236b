# syntax=docker/dockerfile:1
# The three programs, an image each: docker build -f deploy/docker/services.Dockerfile --target eventservice .
#
# The images hold a program, the C library it needs, the certificates of the public authorities, and nothing else: no shell, no
# package manager. They run as user 65532 and write nowhere but, with SQLite, in /data.

# Further features of the programs: `otel`, `smtp`, `kafka-tls`, see docs/deploy/images.md.
ARG FEATURES=""
ARG RUST=docker.io/library/rust:1.95-bookworm
ARG NODE=docker.io/library/node:22-bookworm-slim

# The page, which myevents embeds.
FROM ${NODE} AS page
WORKDIR /source/frontend
COPY frontend/package.json frontend/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY frontend ./
RUN npm run build

FROM ${RUST} AS build
ARG FEATURES
WORKDIR /source
COPY . .
COPY --from=page /source/frontend/dist/site frontend/dist/site
# What was built before is kept from one build to the next. In one command the page would be put into all three. Without a network: `cargo vendor` first, see docs/deploy/images.md.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --profile image --locked --features "$FEATURES" -p myevents \
    && cargo build --profile image --locked --features "$FEATURES" -p eventservice -p bookingservice \
    && mkdir /programs \
    && cp target/image/myevents target/image/eventservice target/image/bookingservice /programs/

# The files of each image, laid out where the loader looks for them.
FROM build AS layout
COPY deploy/docker/layout.sh /layout.sh
RUN mkdir /empty \
    && for program in myevents eventservice bookingservice; do sh /layout.sh "/programs/$program" "/images/$program"; done

FROM scratch AS base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="MyEvents" \
      org.opencontainers.image.description="Event booking that never oversells and never loses an accepted booking" \
      org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Who may write is not decided here: a container starts with MYEVENTS_AUTH=jwt, or with MYEVENTS_ALLOW_ANONYMOUS=true.
ENV MYEVENTS_LOG_FORMAT=json
USER 65532:65532
STOPSIGNAL SIGTERM

FROM base AS eventservice
COPY --from=layout /images/eventservice /
ENV LISTEN_URL=0.0.0.0:8181 METRICS_URL=0.0.0.0:9100
EXPOSE 8181 9100
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/eventservice", "health"]
ENTRYPOINT ["/eventservice"]

FROM base AS bookingservice
COPY --from=layout /images/bookingservice /
ENV LISTEN_URL=0.0.0.0:8282 METRICS_URL=0.0.0.0:9101
EXPOSE 8282 9101
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/bookingservice", "health"]
ENTRYPOINT ["/bookingservice"]

FROM base AS myevents
COPY --from=layout /images/myevents /
COPY --from=layout --chown=65532:65532 /empty /data
ENV MYEVENTS_LISTEN=0.0.0.0:8080 METRICS_URL=0.0.0.0:9100 MYEVENTS_DATA=/data
EXPOSE 8080 9100
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/myevents", "health"]
ENTRYPOINT ["/myevents"]
