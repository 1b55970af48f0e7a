"""Users of the database, made by the very statements of docs/guides/database-users.md."""

import re
from pathlib import Path

from pymysql.cursors import Cursor

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "database-users.md"


def create_user(cursor: Cursor, kind: str, name: str, database: str, *, tls: bool = True) -> str:
    """Create a user of a kind (`analyst` or `sink`) and return the password that the server chose."""
    block = re.search(rf"<!-- {kind} -->\n```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert block, f"the guide has no statements for {kind}"
    text = block.group(1).replace(f"holded_{kind}", name).replace("holded.", f"`{database}`.")
    if not tls:
        text = text.replace(" REQUIRE SSL", "")
    first, *grants = (statement.strip() for statement in text.split(";") if statement.strip())
    cursor.execute(first)
    (_, _, password, *_) = cursor.fetchone() or ("", "", "")
    for grant in grants:
        cursor.execute(grant)
    return str(password)
