"""The root of all errors that are meant for a person.

    ContinuumError              something a person can understand and act on
    ├── InvalidInputError       what was given cannot be accepted as it is
    ├── NotFoundError           what was named does not exist
    ├── ConflictError           what was asked contradicts what is there
    ├── AccessDeniedError       who asks may not
    └── UnavailableError        something needed does not answer now; trying again may help

Each part derives its own errors from these; the command line prints `message` and `hint` and exits with 1.
"""


class ContinuumError(Exception):
    """An error that names the user's situation.

    `message` says what is wrong, `hint` what to do about it (may be empty). `code` is stable and travels over
    the wire.
    """

    code = "Error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidInputError(ContinuumError):
    """What was given cannot be accepted as it is."""

    code = "InvalidInput"


class NotFoundError(ContinuumError):
    """What was named does not exist."""

    code = "NotFound"


class ConflictError(ContinuumError):
    """What was asked contradicts what is there."""

    code = "Conflict"


class AccessDeniedError(ContinuumError):
    """Who asks may not."""

    code = "AccessDenied"


class UnavailableError(ContinuumError):
    """Something that is needed does not answer now; trying again later may help."""

    code = "Unavailable"
