"""The Celery application. Its messages are doorbells: the job row is the truth (backend/jobs)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

app = Celery("masklet")
app.config_from_object("django.conf:settings", namespace="CELERY")
# The model's tasks are not here: only its own worker loads them (-I backend.predictions.worker).
app.conf.imports = [
    "backend.accounts.tasks",
    "backend.jobs.tasks",
    "backend.predictions.tasks",
    "backend.imports.tasks",
    "backend.exports.tasks",
    "backend.quality.tasks",
    "backend.webhooks.tasks",
]
app.conf.task_default_queue = "io"
