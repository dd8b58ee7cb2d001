"""A MariaDB server of one's own, from the distribution's package, for tests and injected faults: it can be killed and started again."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pymysql

from pipelines.common.databases import PASSWORD, Database

SEARCHED = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
MISSING = "no MariaDB server is installed (Debian: apt install mariadb-server-core mariadb-client-core)"
START_SECONDS = 60
RUNNING = 2  # of ML Metadata's states of executions
SECRET = "not-to-be-found-47"
ACCOUNT = f"""
CREATE DATABASE IF NOT EXISTS metadata;
CREATE USER IF NOT EXISTS darsena@'127.0.0.1' IDENTIFIED BY '{SECRET}';
GRANT ALL ON metadata.* TO darsena@'127.0.0.1';
"""


def installed() -> bool:
    """Whether the server's programs are there."""
    return all(shutil.which(name, path=SEARCHED) for name in ("mariadbd", "mariadb-install-db", "my_print_defaults"))


class Server:
    """A server on loopback with the empty database `metadata`; started by a `with` statement, and stopped at its end.

    Args:
        folder: empty, for its data.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.database = Database("darsena", "127.0.0.1", free.getsockname()[1], "metadata")
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "account.sql").write_text(ACCOUNT)
        self._call("mariadb-install-db", "--auth-root-authentication-method=normal", "--skip-test-db").wait()

    @property
    def environment(self) -> dict[str, str]:
        """That of a command which uses it."""
        return {**os.environ, PASSWORD: SECRET}

    def _call(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts one of its programs, as whoever runs this; what it says is in its log."""
        path = shutil.which(program, path=SEARCHED)
        assert path is not None, MISSING
        common = ("--no-defaults", f"--datadir={self._folder / 'data'}", f"--user={getpass.getuser()}")
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen([path, *common, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self) -> None:
        """Starts it, and returns when it answers.

        Raises:
            RuntimeError: it ended, with what it said.
        """
        self._process = self._call(
            "mariadbd",
            "--bind-address=127.0.0.1",
            f"--port={self.database.port}",
            "--socket=socket",  # in its data folder: a longer path than a socket's may be
            "--skip-name-resolve",
            f"--init-file={self._folder / 'account.sql'}",
        )
        for _ in range(START_SECONDS * 10):
            with contextlib.suppress(pymysql.err.OperationalError):
                self.ask("SELECT 1")
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
                break
        raise RuntimeError(f"expected MariaDB to answer within {START_SECONDS} s, it said: {(self._folder / 'log').read_text()[-2000:]}")

    def ask(self, question: str) -> tuple[tuple[object, ...], ...]:
        """The rows that a query gives."""
        database = self.database
        with (
            pymysql.connect(
                host=database.host, port=database.port, user=database.user, password=SECRET, database=database.name, autocommit=True
            ) as client,
            client.cursor() as cursor,
        ):
            cursor.execute(question)
            return cursor.fetchall()

    def running(self, component: str = "") -> list[int]:
        """Ids of the executions, of one component or of all, that ML Metadata says are running."""
        executions = "SELECT Execution.id FROM Execution JOIN Type ON Type.id = Execution.type_id"
        rows = self.ask(f"{executions} WHERE last_known_state = {RUNNING} AND Type.name LIKE '%{component}'")
        return [int(str(identifier)) for (identifier,) in rows]

    def wait_until_running(self, component: str, process: subprocess.Popen[str]) -> None:
        """Returns as soon as a command that was just started executes the component.

        Raises:
            RuntimeError: the command ended before, with what it said.
        """
        left = self.running(component)  # by runs that were killed
        while not set(self.running(component)) - set(left):
            with contextlib.suppress(subprocess.TimeoutExpired):
                out, err = process.communicate(timeout=0.05)
                raise RuntimeError(f"expected {component} to be executed, the command ended: {out}{err}")

    def stop(self) -> None:
        """Ends it in good order, if it runs."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def kill(self) -> None:
        """Kills it, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
