# SGE Lens in a container.
#
#   docker build --target cpu  -t sge-lens .            # a laptop, a server: ONNX Runtime, without PyTorch
#   docker build --target cuda -t sge-lens:cuda .       # docker run --gpus all ...
#   docker run --rm --read-only --tmpfs /tmp -p 8000:8000 sge-lens
#
# The cpu image serves exported models. The stage that exports them needs PyTorch; on x86-64 its default wheel brings
# several GB of CUDA libraries, which stay in that stage. If an index of PyTorch's CPU wheels can be reached, name it:
#   --build-arg TORCH_INDEX=ADDRESS
# Any base image works that has the same Python (3.11 to 3.13, with its venv module) in all stages.
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

FROM ${BASE_IMAGE} AS exported
ARG TORCH_INDEX=
ARG MODELS="sge_efficientnet_lite0_tuned sge_efficientnet_lite0 sge_resnet18_pets"
COPY requirements /requirements
COPY --from=wheel /dist /dist
RUN python3 -m venv /opt/venv \
 && PIP_NO_CACHE_DIR=1 TORCH_INDEX="${TORCH_INDEX}" bash /requirements/install.sh /opt/venv/bin/pip /requirements/run.lock \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps /dist/*.whl
RUN mkdir /exported && for model in ${MODELS}; do /opt/venv/bin/sge models export "$model" -o "/exported/$model.onnx" || exit 1; done

FROM ${BASE_IMAGE} AS venv-cpu
COPY requirements/serve.lock requirements/serve.lock
COPY --from=wheel /dist /dist
# Nothing that runs needs pip.
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements/serve.lock \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/venv/bin/pip uninstall --yes pip

FROM ${BASE_IMAGE} AS venv-cuda
COPY requirements /requirements
COPY --from=wheel /dist /dist
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /requirements/run.lock \
 && /opt/venv/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/venv/bin/pip uninstall --yes pip

# Everything except the environment; both targets are built on it.
FROM ${BASE_IMAGE} AS service
# The root file system may be read-only, so libraries write their caches to /tmp.
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
# With SGE_API_KEY, the address needs the key as every client does.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["python3", "-c", "import os, urllib.request as r; k = os.environ.get('SGE_API_KEY', ''); r.urlopen(r.Request(f\"http://127.0.0.1:{os.environ['SGE_PORT']}/api/v1/health/ready\", headers={'Authorization': 'Bearer ' + k} if k else {}), timeout=4)"]
CMD ["sge", "serve"]

FROM service AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=venv-cuda /opt/venv /opt/venv

FROM service AS cpu
ENV SGE_MODELS=/exported/sge_efficientnet_lite0_tuned.onnx,/exported/sge_efficientnet_lite0.onnx,/exported/sge_resnet18_pets.onnx
COPY --from=exported /exported /exported
COPY --from=venv-cpu /opt/venv /opt/venv
