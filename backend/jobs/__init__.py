"""Work for a machine: one row per job, which is the truth; Celery only rings the bell."""
