# torc: a node of Torc in a small image, not as root.
#
#   docker build -t torc .
#   docker run -p 9042:9042 torc                                    one node
#   docker run -e CASSANDRA_SEEDS=other torc                        one that joins
#   docker run -v ./schema:/docker-entrypoint-initdb.d:ro torc      with *.cql run on its first start
#
# Settings: TORC_* for all of them (torcd --help), or the CASSANDRA_* of the official Cassandra image.
# Data is in the volume /var/lib/torc. compose.yaml makes a ring.

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY scripts/packages scripts/packages
# the list is for tests as well; an image needs no second compiler
RUN apt-get update && \
    apt-get install -y --no-install-recommends \
        $(sed 's/#.*//' scripts/packages | grep -vE '^(clang|libclang|shellcheck|git|curl|python3)') && \
    rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset release && cmake --build --preset release --target torcd torc && \
    mkdir -p /out/bin && install -s build/release/torcd build/release/torc /out/bin/ && \
    install scripts/docker-entrypoint scripts/docker-health /out/bin/
# the packages that hold the shared libraries which the programs ask for
RUN ldd /out/bin/torcd /out/bin/torc | awk '$2 == "=>" { print $3 }' | sort -u | \
    xargs -n 1 realpath | sed 's|^/usr/lib/|*/lib/|' | xargs dpkg-query --search | \
    cut -d : -f 1 | sort -u > /out/packages

FROM debian:bookworm-slim
COPY --from=build /out/packages /usr/share/torc/packages
RUN apt-get update && \
    xargs apt-get install -y --no-install-recommends < /usr/share/torc/packages && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 999 --home-dir /var/lib/torc --shell /usr/sbin/nologin torc && \
    install -d -o torc -g torc -m 0750 /var/lib/torc && \
    install -d /docker-entrypoint-initdb.d /etc/torc && \
    printf '%s\n' 'listen_address: auto' 'rpc_address: 0.0.0.0' 'http_address: 0.0.0.0' \
        'data_file_directories: [/var/lib/torc/data]' > /etc/torc/torc.yaml
COPY --from=build /out/bin/ /usr/local/bin/
# The file, for it is the weakest source of settings: any TORC_ or CASSANDRA_ variable wins.
ENV TORC_CONFIG=/etc/torc/torc.yaml
USER torc
WORKDIR /var/lib/torc
VOLUME /var/lib/torc
# CQL, internode TCP and UDP, HTTP
EXPOSE 9042 7000/tcp 7000/udp 9180
HEALTHCHECK --interval=2s --timeout=2s --start-period=60s --retries=5 CMD ["docker-health"]
ENTRYPOINT ["docker-entrypoint"]
CMD ["torcd"]
