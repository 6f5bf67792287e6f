"""Throw-away databases: one template per state of a package's migrations, cloned for each use.

A template is named by the digest of the migrations that made it, so it serves later runs too.
"""

import hashlib
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql

from .. import db
from ..db.migrate import migrate

#: An arbitrary number that all template makers lock, so that parallel workers make each template once.
_LOCK = 7_406_114_306


def _digest(package: str) -> str:
    chassis = Path(db.__file__).parent / "chassis_migrations" / "versions"
    own = Path(next(iter(import_module(package).__path__))) / "migrations" / "versions"
    files = sorted([*chassis.glob("*.py"), *own.glob("*.py")])
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]


def database_url(server_url: str, name: str) -> str:
    """The server's URL with another database."""
    return f"{server_url.rpartition('/')[0]}/{name}"


def ensure_template(server_url: str, package: str) -> str:
    """Make the package's migrated template unless it exists; returns its name."""
    name = f"template_{package}_{_digest(package)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        if connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
            return name
        # Renamed when it is complete: a crash half-way leaves no template.
        raw = f"making_{uuid4().hex[:12]}"
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(raw)))
        migrate(package, database_url(server_url, raw))
        connection.execute(
            sql.SQL("alter database {} rename to {}").format(sql.Identifier(raw), sql.Identifier(name))
        )
    return name


def clone(server_url: str, template: str) -> str:
    """Make a database from a template; returns its URL."""
    name = f"test_{uuid4().hex[:16]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        # By files: through the log, the default, it takes twice as long and more of the processor.
        connection.execute(
            sql.SQL("create database {} template {} strategy file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return database_url(server_url, name)


def drop(server_url: str, url: str) -> None:
    """Drop a database, whoever is still connected to it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        name = sql.Identifier(url.rpartition("/")[2])
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
