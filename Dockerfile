# The images of the operator and of the node daemon: docs/image.md.
#
#   docker build --target operator .        (or node; buildah and podman build it too)
#
# No step knows an architecture. Nothing of the build stages reaches an image but what is copied from them.

# Debian 13.7 slim of 18 September 2026: the digest is that of the index, which holds every architecture.
ARG BASE=docker.io/library/debian:13.7-slim@sha256:a99cfc517144bc59b1978475ec53b46ecabec7e43635402ee5b77cc54cd1b20a

# --- the tools ------------------------------------------------------------------------------------------------
FROM ${BASE} AS tools
# Where Python packages come from; a mirror needs nothing but to have them, as their hashes are checked.
ARG PIP_INDEX_URL=https://pypi.org/simple
ARG UV_DEFAULT_INDEX=https://pypi.org/simple
ENV DEBIAN_FRONTEND=noninteractive PIP_CERT=/etc/ssl/certs/ca-certificates.crt UV_SYSTEM_CERTS=1 UV_NO_CACHE=1 \
    UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never PYTHONDONTWRITEBYTECODE=1 PATH=/tools/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN apt-get -q update && apt-get -q -y install --no-install-recommends \
    ca-certificates libstdc++6 nftables python3 python3-venv
COPY image/build.txt /src/image/
RUN python3 -m venv /tools \
    && pip install -q --no-cache-dir --no-compile --require-hashes --only-binary :all: -r /src/image/build.txt
WORKDIR /src
COPY image/root.py image/compile image/dependencies image/

# --- what both images are -------------------------------------------------------------------------------------
FROM scratch AS image
ARG VERSION=unknown
ARG REVISION=unknown
ENV PATH=/opt/mooring/bin:/usr/bin:/usr/sbin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /
LABEL org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.vendor="The Mooring authors" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.source="https://github.com/mooring-dev/mooring" \
    org.opencontainers.image.documentation="https://github.com/mooring-dev/mooring/blob/main/docs/image.md"

# --- the operator ---------------------------------------------------------------------------------------------
FROM tools AS operator-build
# frozenlist is in C++, and without its library Python's own form of it is taken in silence.
RUN python3 image/root.py /debian python3-minimal libpython3-stdlib libstdc++6 \
    && image/compile /debian/usr/lib /debian
COPY pyproject.toml uv.lock ./
RUN image/dependencies --extra operator
COPY README.md LICENSE ./
COPY crds crds
COPY kube kube
COPY operator operator
COPY image/finish image/sbom.py image/
RUN image/finish operator

FROM image AS operator
COPY --from=operator-build /debian /
COPY --from=operator-build /project /
USER 65532:65532
LABEL org.opencontainers.image.title="mooring-operator" \
    org.opencontainers.image.description="Plans virtual addresses for Kubernetes: Mooring's operator"
ENTRYPOINT ["mooring-operator"]

# --- the node daemon ------------------------------------------------------------------------------------------
FROM tools AS node-build
# nft writes the rules; checks and notifications of users are mostly shell scripts, so there is a shell for them.
RUN python3 image/root.py /debian python3-minimal libpython3-stdlib nftables dash \
    && image/compile /debian/usr/lib /debian
COPY pyproject.toml uv.lock ./
RUN image/dependencies
COPY README.md LICENSE ./
COPY crds crds
COPY kube kube
COPY node-daemon node-daemon
COPY image/finish image/sbom.py image/
RUN image/finish node

FROM image AS node
COPY --from=node-build /debian /
COPY --from=node-build /project /
USER 0:0
LABEL org.opencontainers.image.title="mooring-node" \
    org.opencontainers.image.description="Speaks VRRP, holds addresses and balances on a node: Mooring's daemon"
ENTRYPOINT ["mooring-node"]
