"""Why an edit was refused, in words for the person who made it."""


class InvalidEdit(ValueError):
    """The change does not fit the labels as they are now."""


class Frozen(InvalidEdit):
    """The labels may not be edited: the scene was accepted."""
