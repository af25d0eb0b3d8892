# The pipeline in a container: Debian 13, its Python 3.13, the locked packages, a user who is not root.
#
#     docker build --tag sae .
#     docker run --rm --volume sae:/pipeline_root --volume sae-data:/data sae run
#
# The second volume keeps downloaded data sets. A folder of prepared ones: --volume ~/tensorflow_datasets:/data:ro
FROM debian:trixie-slim AS build
WORKDIR /opt/sae
COPY tools/debian.sh tools/
RUN sh tools/debian.sh build
# What `make setup` reads, and no more: when other code changes, the packages (3 GB) are not installed again.
COPY LICENSE Makefile README.md pipeline_config.py pyproject.toml requirements*.txt ./
COPY components/__init__.py components/
COPY pipeline/__init__.py pipeline/
COPY sae/__init__.py sae/
COPY pipeline/core/__init__.py pipeline/core/tfx_versions.py pipeline/core/
COPY tools/bootstrap.py tools/
RUN make setup && rm -rf .uv ~/.cache

FROM debian:trixie-slim
LABEL org.opencontainers.image.title="sae-pipeline" org.opencontainers.image.licenses="Apache-2.0"
COPY tools/debian.sh /tmp/
RUN sh /tmp/debian.sh run && rm /tmp/debian.sh
COPY --from=build /opt/sae/.venv /opt/sae/.venv
# To be read by every user, whatever the checkout's modes are.
COPY --chmod=755 . /opt/sae
USER sae
WORKDIR /home/sae
ENV PATH="/opt/sae/.venv/bin:$PATH" SAE_ROOT=/pipeline_root TFDS_DATA_DIR=/data
VOLUME /pipeline_root
ENTRYPOINT ["sae"]
CMD ["--help"]
