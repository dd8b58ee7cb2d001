"""A database server that holds ML Metadata, instead of a file under the root: `--metadata URL`.

One database may hold the metadata of all models and of many roots, so each root's pipelines have names of their own there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from pipelines.common.errors import DarsenaError, UsageError

if TYPE_CHECKING:
    from ml_metadata.proto import metadata_store_pb2 as pb

FORM = "mysql://USER@HOST:PORT/DATABASE"
PORT = 3306
ROOT_ID = Path("metadata/root-id")  # in a root
URL, PASSWORD = "DARSENA_METADATA", "DARSENA_METADATA_PASSWORD"
CONNECT_SECONDS = 10
LOCK_SECONDS = 60  # another process may be making the tables, which takes a second
CAUSES = {
    1044: "there is no such database, or the user may not use it",
    1045: "the user or the password is wrong",
    1049: "there is no such database",
}


@dataclasses.dataclass(frozen=True)
class Database:
    """A database of MySQL or MariaDB. Its password is in the environment only ($DARSENA_METADATA_PASSWORD).

    Attributes:
        user: who connects.
        host: of the server.
        port: of the server.
        name: of the database, which must be there; its tables need not.
    """

    user: str
    host: str
    port: int
    name: str

    def __str__(self) -> str:
        """Its URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"mysql://{quote(self.user)}@{host}:{self.port}/{quote(self.name)}"

    @property
    def address(self) -> str:
        """The host; MySQL's own client takes "localhost" for a socket in the file system."""
        return "127.0.0.1" if self.host == "localhost" else self.host


def parsed(url: str) -> Database:
    """The database of a URL.

    Raises:
        UsageError: it is none, or holds a password, which the message does not repeat.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # brackets that do not match, or a port that is no number
        raise UsageError(f"expected --metadata {FORM}, received what is no URL.") from None
    if parts.password is not None:
        raise UsageError(f"expected --metadata {FORM}, received a password in it. Put that into the environment variable {PASSWORD}.")
    if parts.scheme in ("postgresql", "postgres"):
        # It ends texts at a backslash, which the properties of every TFX execution have: "syntax error at or near".
        raise UsageError(f"expected --metadata {FORM}, received {url!r}: ML Metadata 1.21 can't keep TFX's properties in PostgreSQL.")
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme != "mysql" or not (parts.username and parts.hostname and name) or "/" in name or parts.query or parts.fragment:
        raise UsageError(f"expected --metadata {FORM}, received {url!r}.")
    return Database(unquote(parts.username), parts.hostname, port or PORT, name)


def server_connection(database: Database) -> pb.ConnectionConfig:
    """How ML Metadata connects to it, without the password."""
    from ml_metadata.proto import metadata_store_pb2 as pb

    mysql = pb.MySQLDatabaseConfig(
        host=database.address, port=database.port, user=database.user, database=database.name, skip_db_creation=True
    )
    return pb.ConnectionConfig(mysql=mysql)


def with_password(connection: pb.ConnectionConfig) -> pb.ConnectionConfig:
    """A copy of a connection, with the password of the environment if it is one to a server."""
    complete = type(connection)()
    complete.CopyFrom(connection)
    if complete.HasField("mysql"):
        complete.mysql.password = os.environ.get(PASSWORD, "")
    return complete


def pipeline_name(root: Path, model: str, database: Database | None) -> str:
    """What the model's pipeline is called in ML Metadata: the model's name; in a database, with the root's name there.

    So no root takes another one's files from the cache, or another one's executions for those of a run of its own that was killed.
    """
    return f"{model}@{root_name(root)}" if database else model


def root_name(root: Path) -> str:
    """What a root is called in a database: a hash of a random number in it, and of its path.

    The number, because two machines may have roots at the same path; the path, because a root may be a copy of another.
    """
    path = root / ROOT_ID
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".root-id-{uuid.uuid4().hex}")
        fresh.write_text(uuid.uuid4().hex)
        with contextlib.suppress(FileExistsError):  # another process was faster
            path.hardlink_to(fresh)
        fresh.unlink()
    return hashlib.sha256(f"{path.read_text()} {root}".encode()).hexdigest()[:12]


def check(database: Database | None) -> None:
    """Asks for a database once, so that what is wrong with it is told before anything begins.

    Raises:
        DarsenaError: it can't be used; the message has the cause, and not the password.
    """
    if database is not None:
        with reached(database):
            pass


@contextlib.contextmanager
def reached(database: Database) -> Iterator[None]:
    """Connects to a database, and keeps other processes from making its tables at the same time.

    ML Metadata's own errors do not tell a wrong password from a server that is off, and two first connections may clash.

    Raises:
        DarsenaError: see `check`.
    """
    with connected(database) as client, client.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", (f"darsena {database.name}"[:64], LOCK_SECONDS))
        if cursor.fetchone()[0] != 1:
            raise refusal(database, f"another process has kept it for {LOCK_SECONDS} seconds")
        yield


def connected(database: Database) -> Any:
    """A connection to the server, for a `with` statement; its end gives back its locks."""
    import pymysql

    try:
        return pymysql.connect(
            host=database.address,
            port=database.port,
            user=database.user,
            password=os.environ.get(PASSWORD, ""),
            database=database.name,
            connect_timeout=CONNECT_SECONDS,
        )
    except (pymysql.err.Error, RuntimeError) as error:
        code, text = (*error.args, "")[:2] if error.args else ("", type(error).__name__)
        raise refusal(database, CAUSES.get(code, str(text or code))) from None


def refusal(database: Database, cause: str) -> DarsenaError:
    """The error of a database that can't be used."""
    return DarsenaError(
        f"expected ML Metadata in {database}, could not use it: {cause.rstrip('.')}. "
        f"Check that the server runs, the database and the user are there, and the password is in {PASSWORD}."
    )
