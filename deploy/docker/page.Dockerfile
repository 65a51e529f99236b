# syntax=docker/dockerfile:1
# The page behind nginx, which also sends the services' paths to them: docker build -f deploy/docker/page.Dockerfile .

ARG NODE=docker.io/library/node:22-bookworm-slim
ARG NGINX=docker.io/nginxinc/nginx-unprivileged:1.28-alpine

FROM ${NODE} AS build
WORKDIR /source
COPY frontend/package.json frontend/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts --no-audit --no-fund
COPY frontend ./
RUN npm run build

FROM ${NGINX}
COPY --from=build /source/dist/site /usr/share/nginx/html
# The image's own entry point fills in the variables of templates.
COPY deploy/nginx/myevents.conf.template /etc/nginx/templates/default.conf.template
ENV EVENTSERVICE=eventservice:8181 \
    BOOKINGSERVICE=bookingservice:8282 \
    RESOLVER=127.0.0.11 \
    PORT=8080 \
    PAGE=/usr/share/nginx/html
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s CMD ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/"]
