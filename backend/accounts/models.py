import pgtrigger
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    """A person. Superusers are Masklet's admins: they may do everything in every project.

    `email` is one that the person has shown to be theirs, or that an admin has entered.
    """

    wants_digest = models.BooleanField(default=True)  # what happened, by mail, once a day at most
    digest_at = models.DateTimeField(null=True, blank=True)  # when the last one was written

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username


class ApiToken(models.Model):
    """Lets a program act for a person over HTTP. Only its hash is kept; `hint` is how it ends."""

    class Scope(models.TextChoices):
        READ = "read", "read only"
        WRITE = "write", "read and write"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens"
    )
    name = models.CharField(max_length=60)
    scope = models.CharField(max_length=5, choices=Scope.choices)
    digest = models.CharField(max_length=64, unique=True)
    hint = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class SecondFactor(models.Model):
    """A person's one-time codes (TOTP, RFC 6238). `is_on`: a code was shown to work, and each sign-in asks for one.

    last_step: of the last code that was taken: none works twice.  recovery: hashes of codes for when the phone is
    lost, each of which works once.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor"
    )
    secret = models.CharField(max_length=40)
    is_on = models.BooleanField(default=False)
    last_step = models.BigIntegerField(default=0)
    recovery = ArrayField(models.CharField(max_length=64), default=list)
    # Wrong codes one after the other, and until when no code is looked at because of them.
    failures = models.PositiveSmallIntegerField(default=0)
    locked_until = models.DateTimeField(null=True)


class Notification(models.Model):
    """What happened to somebody's work, or was said to them, and where that is to be seen."""

    class Kind(models.TextChoices):
        ASSIGNED = "assigned", "assigned"
        SENT_BACK = "sent_back", "sent back"
        ACCEPTED = "accepted", "accepted"
        AGAIN = "again", "submitted again"
        MENTION = "mention", "mention"
        ISSUE = "issue", "issue"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    text = models.CharField(max_length=300)
    address = models.CharField(max_length=200)  # a path of our own pages
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["user"], name="unread_notifications", condition=models.Q(read_at=None)
            )
        ]


class Mail(models.Model):
    """A mail on its way. Sent by a worker, and tried again until the server takes it or it is given up.

    next_at null: it was sent, or given up.
    """

    to = models.EmailField()
    subject = models.CharField(max_length=200)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, default=timezone.now)

    class Meta:
        ordering = ["id"]


class Repeat(models.Model):
    """A request that may come again because its answer got lost (`Idempotency-Key`), and what was answered.

    digest: of the key and whose it is.  asked: of what was asked for.  status null: it is under way.
    """

    digest = models.CharField(max_length=64, unique=True)
    asked = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.BinaryField(default=b"")
    at = models.DateTimeField(default=timezone.now, db_index=True)


class AuditEntry(models.Model):
    """One administrative act, kept for ever: who did what, to what, when. `by` null: the command line, or an
    account that is gone.

    `project` is a plain number: projects are a higher room, and an act outlives its project.
    """

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)
    project = models.BigIntegerField(null=True, db_index=True)
    act = models.CharField(max_length=40)
    about = models.CharField(max_length=300)

    class Meta:
        ordering = ["-id"]
        triggers = [
            pgtrigger.ReadOnly(name="audit_entries_do_not_change", exclude=["by"]),
            pgtrigger.Protect(name="audit_entries_are_not_deleted", operation=pgtrigger.Delete),
        ]
