from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person. Superusers are Masklet's admins: they may do everything in every project."""

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username
