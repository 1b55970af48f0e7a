import pytest
from pymysql.cursors import RE_INSERT_VALUES

from holded_sink.io import statements

MANY = {
    name: text
    for name, text in vars(statements).items()
    if isinstance(text, str) and text.startswith("INSERT") and name not in {"INSERT_AUDIT", "INSERT_EVENTS_HEAD"}
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
