"""How SQLite's own errors come out; each is one that SQLite really raised."""

import sqlite3

import pytest

from burstlens.errors import Misconfigured, NotAuthorized, NotFound, Unavailable
from burstlens.queues.sqlite.errors import translated


def raised_by(*statements: str) -> sqlite3.Error:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for statement in statements:
            connection.execute(statement)
    except sqlite3.Error as error:
        return error
    finally:
        connection.close()
    pytest.fail("nothing was raised")


def test_a_full_disk_is_unavailable() -> None:
    error = raised_by("PRAGMA max_page_count = 2", "CREATE TABLE t (x)", "INSERT INTO t VALUES (zeroblob(100000))")
    assert str(translated("q", error)) == "the queue 'q' takes no more: the disk is full"
    assert isinstance(translated("q", error), Unavailable)


def test_a_file_that_may_not_be_written_is_not_authorized() -> None:
    error = raised_by("CREATE TABLE t (x)", "PRAGMA query_only = ON", "INSERT INTO t VALUES (1)")
    assert isinstance(translated("q", error), NotAuthorized)


def test_a_missing_table_is_for_the_operator() -> None:
    assert isinstance(translated("q", raised_by("SELECT * FROM messages")), Misconfigured)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError(2, "No such file or directory"), NotFound),
        (PermissionError(13, "Permission denied"), NotAuthorized),
        (OSError(5, "Input/output error"), Unavailable),
    ],
)
def test_errors_of_the_file_system_say_what_to_do(error: OSError, expected: type[Exception]) -> None:
    assert isinstance(translated("q", error), expected)
    assert "'q'" in str(translated("q", error))


def test_a_defect_of_ours_stays_what_it_is() -> None:
    error = TypeError("a defect")
    assert translated("q", error) is error
