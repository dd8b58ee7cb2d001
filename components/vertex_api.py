"""The API of Vertex AI through its official client: for the component that deploys, and for the command line."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

WHO = "Vertex AI"
# For tests and emulators: host:port of another server of the same API, asked without encryption and credentials.
ENDPOINT = "DARSENA_VERTEX_ENDPOINT"
SIGN_IN = "Run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a service account's key file."


class NotSignedIn(RuntimeError):
    """There are no credentials, or none that hold."""


class RequestFailed(RuntimeError):
    """A request had no answer, or was refused.

    Attributes:
        code: HTTP's, which the names of gRPC's correspond to; None if there is none.
        reason: in Vertex AI's words.
    """

    def __init__(self, code: int | None, reason: str):
        super().__init__(reason)
        self.code, self.reason = code, reason


@contextlib.contextmanager
def client(service: str, region: str) -> Iterator[Any]:
    """The official client of a service of the API.

    Args:
        service: name of the client's class in google.cloud.aiplatform_v1.
        region: such as europe-west4.

    Raises:
        NotSignedIn: instead of the client's own error.
        RequestFailed: likewise.
    """
    import grpc
    from google.cloud import aiplatform_v1

    kind = getattr(aiplatform_v1, service)
    endpoint = os.environ.get(ENDPOINT)
    with _told():
        if endpoint:
            made = kind(transport=kind.get_transport_class("grpc")(channel=grpc.insecure_channel(endpoint)))
        else:
            made = kind(client_options={"api_endpoint": f"{region}-aiplatform.googleapis.com"})
        with made:
            yield made


@contextlib.contextmanager
def _told() -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except GoogleAPICallError as error:
        # gRPC tells of credentials that could not be renewed as of a server that could not be reached.
        if "Getting metadata from plugin failed" in error.message:
            raise NotSignedIn(f"{WHO} can't be asked: {error.message}. {SIGN_IN}") from error
        raise RequestFailed(error.code, error.message) from error
    except GoogleAuthError as error:
        raise NotSignedIn(f"expected credentials for {WHO}, received none that hold ({error}). {SIGN_IN}") from error
