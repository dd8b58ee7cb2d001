"""A pushed version in Vertex AI's model registry, and on an endpoint that gives it all traffic.

Whatever is asked for is looked for first, and ids follow from names, so that asking again after a lost answer makes nothing twice.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import logging
import re
import time
from collections.abc import Iterable
from typing import Any

from google.api_core import retry
from google.api_core.exceptions import GoogleAPICallError
from google.api_core.future.polling import DEFAULT_POLLING
from google.cloud import aiplatform_v1

from components.vertex_api import WHO, NotSignedIn, RequestFailed, client
from components.vertex_endpoint.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT = 60.0  # of a request, in seconds
LIMIT = 7200.0  # of an operation: what Vertex AI itself gives a deployment at most
SECONDS = 15.0  # between two tries, and two looks at what goes on
TRIES = 10
POLLING = DEFAULT_POLLING
# A lost look at an operation is a lost answer like any other.
ONCE = retry.Retry(predicate=retry.if_exception_type())
# Reasons that may pass, by HTTP's codes: no answer; and an id that is taken, perhaps by what an earlier try is still making.
AGAIN = (409, 502, 503, 504)
ADVICE = {
    400: "Change the file that --endpoint names, and compile again.",
    401: "The credentials are not, or no longer, valid: run it again.",
    403: "Give the service account that the run has (--service-account of `darsena submit`) the role roles/aiplatform.user.",
    404: "Check parent in the file that --endpoint names.",
    409: "Another model or endpoint has that id: delete it, or name the endpoint otherwise.",
    429: "A quota is used up: ask for fewer or other machines in the file that --endpoint names, or have the quota raised.",
}


class DeploymentFailed(RuntimeError):
    """The version is not on the endpoint, or others could not be taken off; what was pushed stays."""


@dataclasses.dataclass(frozen=True)
class Version:
    """What is to be served.

    Attributes:
        model: its name.
        number: of the version.
        recipe: first characters of its hash.
        uri: address of its folder, `gs://…`.
    """

    model: str
    number: int
    recipe: str
    uri: str

    @property
    def labels(self) -> dict[str, str]:
        """By which the version is found in the registry."""
        return {"version": str(self.number), "recipe": self.recipe}


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What serves a version.

    Attributes:
        model: the registered version, `projects/…/models/…@N`.
        endpoint: `projects/…/endpoints/…`.
        new: whether it was deployed by the last try; else it had been before.
        undeployed: ids of what served before and was taken off.
    """

    model: str
    endpoint: str
    new: bool
    undeployed: list[str]


def deploy(settings: Settings, version: Version) -> Deployment:
    """Has an endpoint serve a version: registers it, deploys it with all traffic, then takes off what has none.

    Args:
        settings: of the endpoint, which is made if there is none of that name.
        version: to serve.

    Returns:
        What was found or made.

    Raises:
        DeploymentFailed: Vertex AI refused, failed or gave no answer TRIES times.
    """
    for left in reversed(range(TRIES)):
        try:
            return attempt(settings, version)
        except NotSignedIn as error:
            raise DeploymentFailed(str(error)) from error
        except RequestFailed as error:
            if error.code not in AGAIN or not left:
                what = f"serve version {version.number} of {version.model} at the endpoint {settings.endpoint}"
                raise DeploymentFailed(refusal(what, error.code, error.reason)) from error
            log.warning("%s: %s. Asking again.", WHO, error.reason)
        pause()
    raise AssertionError("the last try returns or raises")


def attempt(settings: Settings, version: Version) -> Deployment:
    """One try of `deploy`."""
    region = settings.parent.rpartition("/")[2]
    with client("ModelServiceClient", region) as models:
        model = registered(models, settings, version)
    with client("EndpointServiceClient", region) as endpoints:
        endpoint = opened(endpoints, settings)
        new = not any(is_of(each, model) for each in endpoint.deployed_models)
        if new:
            deployed = aiplatform_v1.DeployedModel(
                model=model,
                display_name=f"{version.model} {version.number}",
                dedicated_resources=settings.resources,
                service_account=settings.service_account,
            )
            operation = endpoints.deploy_model(
                endpoint=endpoint.name, deployed_model=deployed, traffic_split={"0": 100}, retry=None, timeout=TIMEOUT
            )
            finished(operation, f"deploy version {version.number} of {version.model} to the endpoint {settings.endpoint}")
            endpoint = opened(endpoints, settings)
        idle = [each.id for each in endpoint.deployed_models if not is_of(each, model) and not endpoint.traffic_split.get(each.id)]
        for each in idle:
            operation = endpoints.undeploy_model(endpoint=endpoint.name, deployed_model_id=each, retry=None, timeout=TIMEOUT)
            finished(operation, f"undeploy {each}, which has no traffic any more, from the endpoint {settings.endpoint}")
    log.info("%s: %s is %s on %s; taken off: %s.", WHO, model, "now" if new else "already", endpoint.name, ", ".join(idle) or "nothing")
    return Deployment(model, endpoint.name, new, idle)


def registered(models: Any, settings: Settings, version: Version) -> str:
    """The resource name of a version in the registry, where it is the default one of its model; uploaded unless it is there."""
    query = {"parent": settings.parent, "filter": f'display_name="{version.model}"'}
    found = only(models.list_models(request=query, timeout=TIMEOUT), f"model {version.model}")
    if found:
        name = found.name.partition("@")[0]
        settle(models, name)
        for each in models.list_model_versions(name=name, timeout=TIMEOUT):
            if version.labels.items() <= dict(each.labels).items():
                return f"{name}@{each.version_id}"
    model = aiplatform_v1.Model(
        display_name=version.model,
        artifact_uri=version.uri,
        container_spec=settings.container,
        labels=version.labels,
        version_aliases=["default"],
    )
    place = {"parent_model": name} if found else {"model_id": identifier(version.model)}
    request = aiplatform_v1.UploadModelRequest(parent=settings.parent, model=model, **place)
    done = finished(
        models.upload_model(request=request, retry=None, timeout=TIMEOUT), f"register version {version.number} of {version.model}"
    )
    return f"{done.model.partition('@')[0]}@{done.model_version_id}"


def opened(endpoints: Any, settings: Settings) -> Any:
    """The endpoint as it is when nothing is going on there; made if there is none of that name."""

    def look() -> Any:
        query = {"parent": settings.parent, "filter": f'display_name="{settings.endpoint}"'}
        return only(endpoints.list_endpoints(request=query, timeout=TIMEOUT), f"endpoint {settings.endpoint}")

    found = look()
    if found is None:
        request = aiplatform_v1.CreateEndpointRequest(
            parent=settings.parent,
            endpoint=aiplatform_v1.Endpoint(display_name=settings.endpoint),
            endpoint_id=identifier(settings.endpoint),
        )
        return finished(endpoints.create_endpoint(request=request, retry=None, timeout=TIMEOUT), f"make the endpoint {settings.endpoint}")
    return look() if settle(endpoints, found.name) else found


def only(found: Iterable[Any], what: str) -> Any:
    """The only one of what was found, or None.

    Raises:
        DeploymentFailed: there are several.
    """
    several = list(found)
    if len(several) > 1:
        names = ", ".join(each.name for each in several)
        raise DeploymentFailed(f"expected one {what}, {WHO} has {len(several)}: {names}. Rename or delete all but one.")
    return several[0] if several else None


def is_of(deployed: Any, model: str) -> bool:
    """Whether what is deployed is the registered version."""
    name, _, number = model.rpartition("/")[2].partition("@")
    return (deployed.model.rpartition("/")[2].partition("@")[0], deployed.model_version_id) == (name, number)


def identifier(name: str) -> str:
    """An id that Vertex AI takes, from a name: of two that make it, one is refused."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"d-{plain}")[:63].rstrip("-")


def settle(service: Any, resource: str) -> bool:
    """Waits for what is being done to a resource, as for an earlier try whose answer got lost; returns whether there was anything.

    Raises:
        DeploymentFailed: it went on for too long.
    """
    for looked in range(int(LIMIT / SECONDS)):
        if not any(operations(service, resource)):
            return looked > 0
        pause()
    raise DeploymentFailed(f"expected {resource} to be done with within {LIMIT:g} s, something is still going on there. See what it is.")


def operations(service: Any, resource: str) -> Iterable[bool]:
    """Of each operation on a resource: whether it goes on."""
    page = ""
    while True:
        found = service.list_operations({"name": resource, "page_token": page}, timeout=TIMEOUT)
        yield from (not each.done for each in found.operations)
        page = found.next_page_token
        if not page:
            return


def finished(operation: Any, what: str) -> Any:
    """Waits for an operation; returns what it made.

    Raises:
        DeploymentFailed: it failed, or took too long.
        GoogleAPICallError: it could not be looked at.
    """
    try:
        return operation.result(timeout=LIMIT, retry=ONCE, polling=POLLING)
    except concurrent.futures.TimeoutError as error:
        raise DeploymentFailed(f"expected {WHO} to {what} within {LIMIT:g} s, it is still at it: {operation.operation.name}.") from error
    except GoogleAPICallError as error:
        if not operation.operation.done:
            raise
        raise DeploymentFailed(refusal(what, error.code, error.message)) from error


def refusal(what: str, code: int | None, reason: str) -> str:
    """What to tell where Vertex AI does not do what it was asked for."""
    said = " ".join(reason.split()).rstrip(".")
    return f"expected {WHO} to {what}, received: {said}. {ADVICE.get(code or 0, '')}".rstrip()


def pause() -> None:
    """Waits between two tries."""
    time.sleep(SECONDS)
