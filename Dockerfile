# SGE Lens in a container.
#
#   docker build --target cpu  -t sge-lens .            # a laptop, a server
#   docker build --target cuda -t sge-lens:cuda .       # docker run --gpus all ...
#   docker run --rm --read-only --tmpfs /tmp -p 8000:8000 sge-lens
#
# On x86-64 PyTorch's default wheel is linked against its CUDA libraries and does not load without them, so the cpu
# image, too, holds some 4 GB that it never uses. Where PyTorch's CPU wheels can be reached, name their index:
#   --build-arg TORCH_CPU_INDEX=https://...
# Any base with the same Python 3.11 to 3.13 (and its venv module) in both stages will do.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS wheel
WORKDIR /src
COPY requirements/build.lock requirements/build.lock
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY weights weights
COPY templates templates
COPY static static
COPY sge sge
COPY app app
RUN /opt/build/bin/python -m hatchling build -t wheel -d /dist

FROM ${BASE_IMAGE} AS venv-cpu
ARG TORCH_CPU_INDEX=
COPY requirements /requirements
COPY --from=wheel /dist /dist
# triton only compiles kernels for GPUs. pip is needed by nothing that runs.
RUN python3 -m venv /opt/venv \
 && if [ -n "${TORCH_CPU_INDEX}" ]; then \
      python3 /requirements/without_cuda.py /requirements/run.lock > /tmp/run.lock \
      && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/run.lock \
      && /opt/venv/bin/pip install --no-cache-dir --index-url "${TORCH_CPU_INDEX}" --no-deps torch==2.14.1 torchvision==0.29.1; \
    else \
      /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /requirements/run.lock; \
    fi \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/venv/bin/pip uninstall --yes triton pip

FROM ${BASE_IMAGE} AS venv-cuda
COPY requirements /requirements
COPY --from=wheel /dist /dist
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /requirements/run.lock \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/venv/bin/pip uninstall --yes pip

# Everything but the environment's folder; both targets stand on it.
FROM ${BASE_IMAGE} AS service
# The root may be read-only: what libraries want to cache goes to /tmp.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    SGE_MODEL_DIR=/models \
    SGE_HOST=0.0.0.0 \
    SGE_PORT=8000
RUN mkdir /models && chown 10001:10001 /models
USER 10001:10001
WORKDIR /tmp
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["python3", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['SGE_PORT']}/api/v1/health/ready\", timeout=4)"]
CMD ["sge", "serve"]

FROM service AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=venv-cuda /opt/venv /opt/venv

FROM service AS cpu
COPY --from=venv-cpu /opt/venv /opt/venv
