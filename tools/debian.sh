#!/bin/sh
# Prepare a bare Debian 13 for this project. The Dockerfile and `make test-current` both run it, so that the tested system
# is the built one.
#
#     tools/debian.sh build    for `make setup`: Python with its headers, a compiler, git, make
#     tools/debian.sh run      for a complete .venv: Python; a user who is not root, a pipeline root, a folder for data sets
#     tools/debian.sh test     for some tests: a browser, a database server of ML Metadata, Java and `ip` for a cluster; not in
#                              the image
set -eu

packages() {
    apt-get update --quiet=2
    # Show only errors.
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends ca-certificates "$@" >/dev/null
    apt-get clean  # Debian's image does this itself; a root made by debootstrap does not
    rm -rf /var/lib/apt/lists/*
}

case "${1-}" in
build)
    packages g++ git make python3 python3-dev python3-venv
    ;;
run)
    packages python3
    useradd --create-home --uid 1000 sae
    mkdir /pipeline_root /data
    chown sae: /pipeline_root /data
    ;;
test)
    packages chromium default-jre-headless fonts-dejavu-core iproute2 postgresql
    ;;
*)
    echo "usage: tools/debian.sh build | run | test" >&2
    exit 2
    ;;
esac
