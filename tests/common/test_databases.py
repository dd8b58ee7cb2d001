"""The database of ML Metadata: its URL, its password, and what is said where it can't be used."""

import dataclasses
import multiprocessing

import pytest

from pipelines.common.databases import PASSWORD, Database, check, parsed, pipeline_name, with_password
from pipelines.common.errors import DarsenaError, UsageError
from pipelines.common.metadata_store import MetadataStore, connection, prepared
from reliability.mariadb import SECRET


def test_a_url_and_back():
    assert parsed("mysql://me@db.example:3307/meta") == Database("me", "db.example", 3307, "meta")
    assert parsed("mysql://a%40b@localhost/x").address == "127.0.0.1"
    for url in ("mysql://a%40b@localhost:3306/x", "mysql://me@[::1]:3306/x"):
        assert str(parsed(url)) == url


@pytest.mark.parametrize(
    "url",
    ["sqlite:///x", "mysql://host/x", "mysql://me@host", "mysql://me@host:many/x", "mysql://me@host/x?ssl=1", "mysql://me@host/a/b", "x"],
)
def test_what_is_no_url_of_a_database_is_told(url):
    with pytest.raises(UsageError, match=r"expected --metadata mysql://USER@HOST:PORT/DATABASE, received"):
        parsed(url)


def test_postgresql_is_refused_with_the_reason():
    with pytest.raises(UsageError, match=r"ML Metadata 1\.21 can't keep TFX's properties in PostgreSQL"):
        parsed("postgresql://me@host/x")


def test_a_password_in_the_url_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match=PASSWORD) as raised:
        parsed(f"mysql://me:{SECRET}@host/x")
    assert SECRET not in str(raised.value)


def test_a_compiled_connection_has_no_password(monkeypatch, tmp_path):
    monkeypatch.setenv(PASSWORD, SECRET)
    config = connection(tmp_path, "m", Database("me", "localhost", 1, "x"))
    assert (config.mysql.password, config.mysql.host, config.mysql.skip_db_creation) == ("", "127.0.0.1", True)
    assert (with_password(config).mysql.password, config.mysql.password) == (SECRET, "")
    local = connection(tmp_path, "m", None)
    assert with_password(local) == local
    assert local.sqlite.filename_uri == str(tmp_path / "metadata/m.sqlite")


def test_each_root_has_names_of_its_own_which_stay(tmp_path):
    database = Database("me", "host", 1, "x")
    names = [pipeline_name(tmp_path / root, "m", database) for root in ("a", "b", "a")]
    assert names[0] == names[2] != names[1]
    assert names[0].startswith("m@")
    assert pipeline_name(tmp_path / "a", "m", None) == "m"
    (tmp_path / "copy/metadata").mkdir(parents=True)
    (tmp_path / "copy/metadata/root-id").write_text((tmp_path / "a/metadata/root-id").read_text())
    assert pipeline_name(tmp_path / "copy", "m", database) != names[0]


@pytest.mark.parametrize(
    ("change", "password", "cause"),
    [
        ({}, "guessed-48", "the user or the password is wrong"),
        ({"user": "nobody"}, SECRET, "the user or the password is wrong"),
        ({"name": "nothing"}, SECRET, "there is no such database, or the user may not use it"),
        ({"host": "localhost", "port": 1}, SECRET, "Can't connect to MySQL server on '127.0.0.1'"),
    ],
)
def test_what_is_wrong_with_a_database_is_told_in_one_line(mariadb, monkeypatch, change, password, cause):
    monkeypatch.setenv(PASSWORD, password)
    database = dataclasses.replace(mariadb.database, **change)
    with pytest.raises(DarsenaError, match=cause) as raised:
        check(database)
    assert str(database) in str(raised.value) and "\n" not in str(raised.value)
    assert password not in str(raised.value)


def first_connection(root, database, start):
    """Opens the metadata when the others do too."""
    start.wait()
    MetadataStore(prepared(root, "m", database), "m").last_execution()


def test_first_connections_at_the_same_time_make_the_tables_once(mariadb, monkeypatch, tmp_path):
    monkeypatch.setenv(PASSWORD, SECRET)
    for (table,) in mariadb.ask("SHOW TABLES"):
        mariadb.ask(f"DROP TABLE {table}")
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    processes = [context.Process(target=first_connection, args=(tmp_path, mariadb.database, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert mariadb.ask("SELECT COUNT(*) FROM MLMDEnv") == ((1,),)
