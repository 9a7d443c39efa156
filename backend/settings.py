"""Every setting, read from the environment once. deploy/example.env lists them all.

Nothing above or below reads the environment. A value that cannot be used stops the start with its
name, what it was and what to write instead.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from backend import __version__

BASE = Path(__file__).resolve().parent.parent


def _text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def _flag(name: str, default: bool = False) -> bool:
    value = _text(name, "1" if default else "0").lower()
    if value not in {"0", "1", "true", "false", ""}:
        raise ImproperlyConfigured(f"{name}={value!r}: use 1 or 0")
    return value in {"1", "true"}


def _number(name: str, default: int) -> int:
    value = _text(name) or str(default)
    if not value.isdecimal():
        raise ImproperlyConfigured(f"{name}={value!r}: use a whole number")
    return int(value)


def _list(name: str) -> list[str]:
    return [item.strip() for item in _text(name).split(",") if item.strip()]


DEBUG = _flag("MASKLET_DEBUG")

SECRET_KEY = _text("MASKLET_SECRET_KEY")
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured(
        "MASKLET_SECRET_KEY must be at least 32 random characters; there is no default. "
        "`python3 manage.py up` makes one; for a cluster: "
        'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
    )

DATA = Path(_text("MASKLET_DATA") or BASE / "var")

# --- where people reach us ----------------------------------------------------------------------

# How the browser's address bar reads, e.g. https://label.example.org. Cookies and the origin check
# of sockets depend on it.
PUBLIC_URL = _text("MASKLET_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
_PUBLIC = urlsplit(PUBLIC_URL)
if _PUBLIC.scheme not in {"http", "https"} or not _PUBLIC.hostname:
    raise ImproperlyConfigured(
        f"MASKLET_PUBLIC_URL={PUBLIC_URL!r}: use a whole address such as https://label.example.org"
    )
ALLOWED_HOSTS = _list("MASKLET_HOSTS") or list({_PUBLIC.hostname, "localhost", "127.0.0.1"})
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
# Origins that may open a socket: the public address, and the same port by its other local names.
SOCKET_ORIGINS = [
    PUBLIC_URL,
    *(
        f"{_PUBLIC.scheme}://{host}{f':{_PUBLIC.port}' if _PUBLIC.port else ''}"
        for host in ("localhost", "127.0.0.1")
        if _PUBLIC.hostname in {"localhost", "127.0.0.1"}
    ),
]
_HTTPS = _PUBLIC.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# wasm-unsafe-eval: compiling WebAssembly, not eval of strings.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self' blob:",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "font-src 'self'",
        "connect-src 'self' ws: wss:" if DEBUG else "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

# --- apps ---------------------------------------------------------------------------------------

LOCAL_APPS = [
    "accounts",
    "projects",
    "jobs",
    "scenes",
    "annotations",
    "tasks",
    "predictions",
    "imports",
    "exports",
    "quality",
    "webhooks",
]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "pgtrigger",
    *[f"backend.{app}" for app in LOCAL_APPS],
]
MIGRATION_MODULES = {app: f"migrations.{app}" for app in LOCAL_APPS}
AUTH_USER_MODEL = "accounts.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "backend.accounts.middleware.ContentSecurityPolicy",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "backend.accounts.repeats.IdempotencyKeys",
    "backend.accounts.preconditions.IfMatch",
]
ROOT_URLCONF = "backend.urls"
ASGI_APPLICATION = "backend.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- database -----------------------------------------------------------------------------------

DATABASE_URL = _text("DATABASE_URL", "postgresql://masklet@127.0.0.1:5432/masklet")
_DATABASE: dict[str, Any] = dict(dj_database_url.parse(DATABASE_URL))
DATABASES = {"default": _DATABASE}
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured(
        f"DATABASE_URL: Masklet needs PostgreSQL, got {urlsplit(DATABASE_URL).scheme!r}; "
        "write postgresql://user:password@host:5432/name"
    )
DATABASES["default"]["OPTIONS"] = {
    **dict(_DATABASE.get("OPTIONS", {})),
    # Statements of backend/statements.py that come again are planned once. Not behind a PgBouncer
    # older than 1.21 that pools by transaction: there the next one may meet another connection.
    "prepare_threshold": 2 if _flag("MASKLET_DATABASE_PREPARE", True) else None,
    "pool": {"min_size": 1, "max_size": _number("MASKLET_DATABASE_POOL", 10), "timeout": 20},
}
DATABASES["default"]["TEST"] = {"NAME": _text("MASKLET_TEST_DB") or None}

# --- Valkey or Redis: Celery's broker, the road of events, doorbells of clicks --------------------

REDIS_URL = _text("REDIS_URL", "redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Redis redelivers what is not acknowledged in this time. Job rows carry the leases that matter
# (backend/jobs), so a redelivered doorbell does no harm; a day keeps them rare.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 24 * 3600}
CELERY_BEAT_SCHEDULE = {
    "ring-waiting-jobs": {"task": "backend.jobs.tasks.ring_waiting_jobs", "schedule": 5.0},
    "settle-lost-predictions": {"task": "backend.predictions.tasks.settle", "schedule": 3.0},
    "send-mail": {
        "task": "backend.accounts.tasks.send_mail",
        "schedule": 5.0,
        "options": {"expires": 5.0},
    },
    "write-digests": {
        "task": "backend.accounts.tasks.write_digests",
        "schedule": 600.0,
        "options": {"expires": 600.0},
    },
    "deliver-webhooks": {
        "task": "backend.webhooks.tasks.deliver",
        "schedule": 5.0,
        # A worker that was busy has one to answer, not one for each time.
        "options": {"expires": 5.0},
    },
}

# --- bytes: a folder, or an S3-compatible store -----------------------------------------------------

S3_BUCKET = _text("MASKLET_S3_BUCKET")
if S3_BUCKET:
    _OBJECTS = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": _text("MASKLET_S3_ENDPOINT") or None,
            "access_key": _text("MASKLET_S3_ACCESS_KEY") or None,
            "secret_key": _text("MASKLET_S3_SECRET_KEY") or None,
            "region_name": _text("MASKLET_S3_REGION") or None,
            "default_acl": None,
            "querystring_auth": True,
            "file_overwrite": True,
        },
    }
else:
    _OBJECTS = {
        "BACKEND": "backend.scenes.folder.AtomicFolder",
        "OPTIONS": {"location": str(DATA / "objects"), "allow_overwrite": True},
    }
STORAGES = {
    "default": _OBJECTS,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
UPLOADS = DATA / "uploads"
UPLOAD_LIMIT_BYTES = _number("MASKLET_UPLOAD_LIMIT_GB", 50) * 10**9
# Folders on this machine that admins may import from. None by default.
IMPORT_ROOTS = [Path(root).resolve() for root in _list("MASKLET_IMPORT_ROOTS")]
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 2**20

FRONTEND = Path(_text("MASKLET_FRONTEND") or BASE / "frontend" / "dist")
STATIC_URL = "/static/"
STATIC_ROOT = DATA / "static"
STATICFILES_DIRS = [("app", FRONTEND)] if FRONTEND.is_dir() else []
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# --- the model worker -------------------------------------------------------------------------------

PREDICTOR = _text("MASKLET_PREDICTOR", "nano")

# --- the data engine --------------------------------------------------------------------------------

ENGINE_PROVIDER = _text("MASKLET_ENGINE_PROVIDER", "nano")
# Where larger models for it lie (inference.engine.foundation).
ENGINE_MODELS = Path(_text("MASKLET_ENGINE_MODELS") or DATA / "models")

# --- tasks ------------------------------------------------------------------------------------------

# What somebody took from the queue and left alone for so long is offered to others.
TASK_RECLAIM_HOURS = _number("MASKLET_TASK_RECLAIM_HOURS", 72)

# --- mail -------------------------------------------------------------------------------------------

# smtp://user:password@host:587 (STARTTLS), smtps://…:465, or smtp+plain:// without encryption, for a
# server on this machine. Without it nobody is mailed anything.
_EMAIL = urlsplit(_text("MASKLET_EMAIL_URL"))
if _EMAIL.scheme not in {"", "smtp", "smtps", "smtp+plain"} or (
    _EMAIL.scheme and not _EMAIL.hostname
):
    raise ImproperlyConfigured(
        "MASKLET_EMAIL_URL: write smtp://user:password@host:587, or smtps:// with port 465"
    )
EMAIL_HOST = _EMAIL.hostname or ""
EMAIL_PORT = _EMAIL.port or (465 if _EMAIL.scheme == "smtps" else 587)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = (
    unquote(_EMAIL.username or ""),
    unquote(_EMAIL.password or ""),
)
EMAIL_USE_SSL, EMAIL_USE_TLS = _EMAIL.scheme == "smtps", _EMAIL.scheme == "smtp"
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = _text("MASKLET_EMAIL_FROM") or f"Masklet <masklet@{_PUBLIC.hostname}>"
PASSWORD_RESET_TIMEOUT = 2 * 3600

# --- webhooks ---------------------------------------------------------------------------------------

# Messages may go to machines of our own network, too, over http and to any port: for trials, and where
# everybody who manages a project may reach those machines anyway.
WEBHOOKS_ANYWHERE = _flag("MASKLET_WEBHOOKS_ANYWHERE", False)

# --- API ----------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "backend.accounts.session.SessionCookie",
        "backend.accounts.session.BearerToken",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["backend.projects.permissions.Denied"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"sign_in": "20/minute", "mail": "10/minute"},
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Masklet",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    # The docs page with scripts of our own server.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"backend": {"level": "INFO"}, "celery.beat": {"level": "WARNING"}},
}
