"""Bringing a test database to the schema of `sql/`."""

from pathlib import Path
from urllib.parse import quote

import yoyo

from holded_contracts.settings import MySQLSettings

SQL_DIR = Path(__file__).parents[2] / "sql"


def migrate(settings: MySQLSettings) -> None:
    """Apply all migrations to an existing database."""
    password = quote(settings.password.get_secret_value(), safe="")
    url = f"mysql://{quote(settings.username)}:{password}@{settings.host}:{settings.port}/{settings.database}"
    backend = yoyo.get_backend(url)
    try:
        backend.apply_migrations(backend.to_apply(yoyo.read_migrations(str(SQL_DIR))))
    finally:
        backend.connection.close()
