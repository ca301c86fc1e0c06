"""The two exceptions: a check that could not run, and a gradient that did not pass."""


class CheckError(ValueError):
    """The check could not run: the arguments, `f` itself or its reference stand in the way. Not a verdict."""


class GradientError(AssertionError):
    """A gradient did not pass; the text is the whole report."""
