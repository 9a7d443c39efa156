"""Masklet from a program: `Client`, what it answers with, and what it raises."""

from masklet.client import Client, JobFailed, Refused, Unreachable
from masklet.records import Job, Member, Person, Project, Scene, Task

__all__ = [
    "Client",
    "Job",
    "JobFailed",
    "Member",
    "Person",
    "Project",
    "Refused",
    "Scene",
    "Task",
    "Unreachable",
]
