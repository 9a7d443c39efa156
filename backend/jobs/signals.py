"""What higher rooms may listen to."""

from django.dispatch import Signal

# sent with job, when it is done, failed or cancelled
ended = Signal()
