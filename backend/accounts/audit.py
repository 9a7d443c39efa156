"""The audit log: administrative acts are noted in the transaction that does them."""

from __future__ import annotations

from backend.accounts.models import AuditEntry, User


def note(act: str, about: str, *, by: User | None, project: int | None = None) -> None:
    """act: what was done, as "member.added".  about: to what, in words.  project: its number."""
    AuditEntry.objects.create(by=by, act=act, about=about[:300], project=project)
