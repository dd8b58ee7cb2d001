"""Errors of the server and the client; each message is one line."""

import http
import re


class ServingError(Exception):
    """An expected failure: the server cannot start, is not there, or refuses a request."""


class ForeignModel(ServingError, ValueError):
    """A SavedModel that could do more than calculate: it is not loaded."""


class ServerUnavailable(ServingError):
    """The client found no server that answers, or one that cannot answer now, however often it asked."""


class ServerTimeout(ServingError):
    """The server did not answer in time."""


class RequestRefused(ServingError):
    """The server answered that it will not answer this request: asking again would change nothing.

    Attributes:
        code: canonical name of the gRPC status; over REST that which TF Serving has the HTTP status for.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotFound(RequestRefused):
    """There is no such model or version."""


class InvalidRequest(RequestRefused):
    """The inputs, their shapes or dtypes, or the signature are wrong."""


REFUSALS = {
    "NOT_FOUND": NotFound,
    "INVALID_ARGUMENT": InvalidRequest,
    "FAILED_PRECONDITION": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
}


def refused(code: str, message: str) -> RequestRefused:
    """A refusal by its kind."""
    return REFUSALS.get(code, RequestRefused)(code, message)


class RequestError(ServingError):
    """A request that the server refuses, on the server's side.

    Its message stays one readable line where a name in it, which may come from the request, has control characters or is long.

    Attributes:
        code: canonical name of the gRPC status, e.g. "NOT_FOUND".
    """

    def __init__(self, code: str, message: str) -> None:
        line = _CONTROL.sub(lambda found: repr(found[0])[1:-1], message)
        super().__init__(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
        self.code = code

    @property
    def http_status(self) -> http.HTTPStatus:
        """What TF Serving answers over REST for this gRPC status."""
        return _HTTP_STATUS.get(self.code, http.HTTPStatus.INTERNAL_SERVER_ERROR)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST = 1000  # characters: gRPC drops an answer whose message is many times that

_HTTP_STATUS = {
    "INVALID_ARGUMENT": http.HTTPStatus.BAD_REQUEST,
    "OUT_OF_RANGE": http.HTTPStatus.BAD_REQUEST,
    "NOT_FOUND": http.HTTPStatus.NOT_FOUND,
    "FAILED_PRECONDITION": http.HTTPStatus.PRECONDITION_FAILED,
    "RESOURCE_EXHAUSTED": http.HTTPStatus.SERVICE_UNAVAILABLE,
    "UNAVAILABLE": http.HTTPStatus.SERVICE_UNAVAILABLE,
    "DEADLINE_EXCEEDED": http.HTTPStatus.GATEWAY_TIMEOUT,
    "UNIMPLEMENTED": http.HTTPStatus.NOT_IMPLEMENTED,
}


def invalid(message: str) -> RequestError:
    """A request that is wrong whatever the server holds."""
    return RequestError("INVALID_ARGUMENT", message)
