"""What the errors of an object store mean for whoever asked it."""

import contextlib
import re
from collections.abc import Iterator

from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError

from burstlens.aws.errors import meaning
from burstlens.errors import Misconfigured, NotAuthorized, NotFound, Unavailable

_S3_ERROR = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>")
"""Source: the S3 API's "REST error responses"."""

_NO_BUCKET = "<Code>NoSuchBucket</Code>"


@contextlib.contextmanager
def translated(key: str) -> Iterator[None]:
    """Turn the store's errors in this block into ours; `AlreadyExistsError` passes.

    Raises:
        NotFound: there is no such object.
        Misconfigured: there is no such bucket, as far as the store tells the two apart (S3: not for `exists`).
        NotAuthorized: the store refuses.
        Unavailable: the store does not answer.
    """
    try:
        yield
    except AlreadyExistsError:
        raise
    except FileNotFoundError as error:
        if _NO_BUCKET in str(error):
            raise _no_bucket(key) from error
        message = f"there is no object {key!r}"
        raise NotFound(message) from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        message = f"the bucket refuses access to {key!r}: {_reason(error)}"
        raise NotAuthorized(message) from error
    except (BaseError, OSError) as error:
        if _NO_BUCKET in str(error):
            raise _no_bucket(key) from error
        if _refuses(error):
            message = f"the bucket refuses access to {key!r}: {_reason(error)}"
            raise NotAuthorized(message) from error
        message = f"the bucket did not answer for {key!r}: {_reason(error)}"
        raise Unavailable(message) from error


def _no_bucket(key: str) -> Misconfigured:
    return Misconfigured(f"there is no bucket for {key!r}: the one that the settings name does not exist")


def _refuses(error: Exception) -> bool:
    """Whether it is one of those refusals that S3 gives another status than 401 and 403, such as `ExpiredToken`."""
    answer = _S3_ERROR.search(str(error))
    return answer is not None and isinstance(meaning(answer[1], "", "S3"), NotAuthorized)


def _reason(error: Exception) -> str:
    """S3's own words, or the first line of what is there."""
    answer = _S3_ERROR.search(str(error))
    return f"{answer[1]}: {answer[2]}" if answer else first_line(error)


def first_line(error: Exception) -> str:
    """What obstore says, without the structure that it prints below that."""
    return str(error).partition("\n")[0]
