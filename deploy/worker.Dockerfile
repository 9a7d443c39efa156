# The worker image: imports, exports, and the model.
#   docker build -f deploy/worker.Dockerfile -t masklet-worker .                          with CUDA
#   docker build -f deploy/worker.Dockerfile --build-arg EXTRAS=worker -t masklet-io .    without
#
# CUDA's libraries come with the PyTorch wheel (several GB); the driver comes from the host through
# the NVIDIA container toolkit. A CUDA base image would bring the libraries a second time.

FROM python:3.11-slim
ARG EXTRAS=worker,model,engine
# Where pip also looks: PyTorch's index of builds for processors makes the image much smaller.
ARG PIP_EXTRA_INDEX_URL=
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    DJANGO_SETTINGS_MODULE=backend.settings MASKLET_DATA=/data \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NUMBA_CACHE_DIR=/tmp/numba
WORKDIR /app
# What Open3D's wheel expects of the system.
RUN case ",${EXTRAS}," in *,engine,*) apt-get update \
    && apt-get install -y --no-install-recommends libusb-1.0-0 libgl1 libgomp1 libx11-6 \
    && rm -rf /var/lib/apt/lists/* ;; esac
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY backend/ backend/
COPY inference/ inference/
COPY migrations/ migrations/
RUN pip install -e ".[${EXTRAS}]"
RUN useradd --uid 10001 --no-create-home masklet && install -d -o masklet /data
USER masklet
VOLUME /data
CMD ["celery", "-A", "backend.celery", "worker", "-Q", "io", "-c", "2", "--loglevel", "INFO"]
