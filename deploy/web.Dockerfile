# The web image: pages, API and sockets. No PyTorch, no compilers, not root.
#   docker build -f deploy/web.Dockerfile -t masklet-web .

FROM node:22-slim AS pages
WORKDIR /build
COPY frontend/package.json frontend/package-lock.json frontend/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY frontend/ ./
RUN npm run build

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    DJANGO_SETTINGS_MODULE=backend.settings MASKLET_DATA=/data
WORKDIR /app
# An editable install: the program runs from /app, where its CHANGELOG (and so its version) is.
COPY pyproject.toml README.md CHANGELOG.md LICENSE ./
COPY backend/ backend/
COPY inference/ inference/
COPY migrations/ migrations/
RUN pip install -e .
COPY deploy/make_bucket.py deploy/
COPY --from=pages /build/dist frontend/dist
RUN useradd --uid 10001 --no-create-home masklet && install -d -o masklet /data
USER masklet
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD \
    ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz')"]
# per-message-deflate off: frames are compressed already. The proxy in front is the only caller, and
# it overwrites X-Forwarded-For, so its word is taken.
CMD ["uvicorn", "backend.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "2", "--ws-per-message-deflate", "false", \
     "--proxy-headers", "--forwarded-allow-ips", "*", "--no-server-header"]
