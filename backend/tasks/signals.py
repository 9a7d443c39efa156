"""What higher rooms may listen to. Receivers run in the transaction of what they hear of."""

from django.dispatch import Signal

# sent with task and step, when a task has moved
moved = Signal()
# sent with issue, when a person has raised one
raised = Signal()
