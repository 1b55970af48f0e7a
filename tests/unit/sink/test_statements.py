import pytest
from pymysql.cursors import RE_INSERT_VALUES

from holded_sink.io import statements

MANY = {
    name: text
    for name, text in vars(statements).items()
    if isinstance(text, str) and text.startswith("INSERT") and name != "INSERT_AUDIT"
}


@pytest.mark.parametrize("name", sorted(MANY))
def test_every_bulk_statement_becomes_one_multi_row_insert(name):
    match = RE_INSERT_VALUES.match(MANY[name])
    assert match is not None
    columns = match.group(1).partition("(")[2].rpartition(")")[0].split(",")
    assert match.group(2).count("%s") == len(columns)


def test_no_statement_holds_a_value():
    for name, text in vars(statements).items():
        if isinstance(text, str) and name.isupper():
            assert text.count("'") == 0 or name in {"LIST_PARTITIONS", "TAKE_PARTITION_LOCK", "FREE_PARTITION_LOCK"}


def test_a_bulk_statement_is_cut_where_its_rows_go():
    upsert = "INSERT INTO t (a, b) VALUES (%s, %s) AS added ON DUPLICATE KEY UPDATE a = LEAST(t.a, added.a)"

    head, tail = statements.bulk(upsert)

    assert head + b"(1,2),(3,4)" + tail == (
        b"INSERT INTO t (a, b) VALUES (1,2),(3,4) AS added ON DUPLICATE KEY UPDATE a = LEAST(t.a, added.a)"
    )
    assert statements.CLAIM_ALL.tail == b""
