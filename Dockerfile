# The image has two static programs and nothing else, and runs as nobody in particular:
#
#   docker build -t zre .
#   docker run --rm -it zre ls                        on the network of the containers
#   docker run --rm -it --network host zre ls         on that of the host
#   docker run --rm -it --entrypoint zrechat zre
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=
RUN mkdir -p -m 1777 /out/tmp && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/go-zre/go-zre/zre.version=$VERSION" -o /out/usr/local/bin/ ./cmd/zre ./cmd/zrechat

FROM scratch
COPY --from=build /out/ /
COPY LICENSE /usr/share/doc/zre/copyright
ENV PATH=/usr/local/bin
USER 65532:65532
ENTRYPOINT ["zre"]
CMD ["--help"]
