"""What is raised for a function that cannot be counted."""


class CountError(ValueError):
    """The function cannot be traced with these arguments, or an option does not fit it; the cause is kept."""
