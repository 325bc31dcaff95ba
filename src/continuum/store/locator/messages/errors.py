"""What the locator refuses, and why."""

from continuum.model.errors import AccessDeniedError, ConflictError, NotFoundError, UnavailableError


class NoSuchBucketError(NotFoundError):
    """There is no such bucket."""

    code = "NoSuchBucket"


class NoSuchKeyError(NotFoundError):
    """There is no such object, or no such version of it."""

    code = "NoSuchKey"


class NoSuchUploadError(NotFoundError):
    """There is no such multipart upload: it was completed or aborted, or never begun."""

    code = "NoSuchUpload"


class NoSuchUserError(NotFoundError):
    """No user has this name or this access key."""

    code = "NoSuchUser"


class BucketExistsError(ConflictError):
    """The bucket exists. `owned_by_you` tells S3's two cases apart by code."""

    code = "BucketAlreadyExists"


class BucketOwnedByYouError(ConflictError):
    """The bucket exists and belongs to who asks."""

    code = "BucketAlreadyOwnedByYou"


class BucketNotEmptyError(ConflictError):
    """The bucket holds objects or uploads."""

    code = "BucketNotEmpty"


class PreconditionFailedError(ConflictError):
    """`If-Match` or `If-None-Match` did not hold in the transaction that would have published the version."""

    code = "PreconditionFailed"


class ObjectLockedError(AccessDeniedError):
    """A retention or a legal hold forbids to remove or to shorten."""

    code = "AccessDenied"


class SessionEndedError(AccessDeniedError):
    """The session's lease ran out; open a new one."""

    code = "SessionEnded"


class SessionElsewhereError(UnavailableError):
    """Another hub has this session, or will have it; a renewal finds out which."""

    code = "SessionElsewhere"
