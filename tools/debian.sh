#!/bin/sh
# Makes a bare Debian 13 fit for this project. The Dockerfile and `make test-current` both run it, so that
# what is tested is what is built.
#
#     tools/debian.sh build    what `make setup` asks for: Python with its headers, a compiler, git, make
#     tools/debian.sh run      what a finished .venv asks for: Python; and a user who is not root, with a pipeline root
#                              and a folder for data sets
#     tools/debian.sh test     what some tests ask for beside: a browser, and a server of ML Metadata; in no image
set -eu

packages() {
    apt-get update --quiet=2
    # Of its hundreds of lines only errors are shown.
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends ca-certificates "$@" >/dev/null
    apt-get clean  # Debian's image does that by itself, a root by debootstrap does not
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
    packages chromium fonts-dejavu-core postgresql
    ;;
*)
    echo "usage: tools/debian.sh build | run | test" >&2
    exit 2
    ;;
esac
