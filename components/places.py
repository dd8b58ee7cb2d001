"""Places in object stores, and where a node finds them: Vertex AI mounts buckets, and Kubeflow's launcher copies what a node needs.

Both put gs://bucket/path at /gcs/bucket/path; Kubeflow's also s3:// at /s3 and minio:// at /minio.
"""

from __future__ import annotations

import os

FOLDERS = {"gs": "/gcs", "s3": "/s3", "minio": "/minio"}
# Goes before those folders, where a node runs outside a container.
MOUNT = "DARSENA_MOUNT"


def local(uri: str) -> str:
    """Where this process finds what an object store has at `uri`; any other path is itself."""
    scheme, separator, rest = uri.partition("://")
    if not separator or scheme not in FOLDERS:
        return uri
    return f"{os.environ.get(MOUNT, '')}{FOLDERS[scheme]}/{rest}"


def uri_of(path: str) -> str:
    """The inverse of `local`: the address in its object store of what this process finds at `path`; any other path is itself."""
    inside = path.removeprefix(os.environ.get(MOUNT, ""))
    for scheme, folder in FOLDERS.items():
        if inside.startswith(f"{folder}/"):
            return f"{scheme}://{inside.removeprefix(f'{folder}/')}"
    return path
