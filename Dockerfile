# Two images of the same program: `plain`, for a user without rights on a read-only file
# system, and `app`, for Home Assistant, whose options only root may read.
FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH TARGETVARIANT VERSION= COMMIT=
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION -X main.commit=$COMMIT" -o /volvobridge ./cmd/volvobridge \
 && mkdir -m 0700 /empty

# Nothing is run below this line: an image for another processor is built without one.
FROM scratch AS program
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /volvobridge /volvobridge
ARG VERSION= COMMIT=
LABEL org.opencontainers.image.title="volvobridge" \
      org.opencontainers.image.description="Brings Volvos into Home Assistant over MQTT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
HEALTHCHECK --interval=30s --timeout=6s --start-period=20s CMD ["/volvobridge", "healthcheck"]
ENTRYPOINT ["/volvobridge"]
CMD ["run"]

# It starts as root, reads the options, and becomes the user 65532 before it opens a connection.
FROM program AS app
ARG VERSION=
LABEL io.hass.type="app" io.hass.arch="aarch64|amd64" io.hass.version="$VERSION"
USER 0:0

FROM program AS plain
COPY --from=build --chown=65532:65532 /empty /data
USER 65532:65532
WORKDIR /data
VOLUME /data
