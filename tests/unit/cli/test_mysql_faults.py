"""What the commands say of a MySQL that refuses them: the variable to correct."""

import pymysql
import pytest

from holded_cli.mysql import GoldUnavailableError, translated


@pytest.mark.parametrize(
    ("code", "said", "variable"),
    [
        pytest.param(
            1045,
            "Access denied for user 'holded'@'10.0.0.1' (using password: YES)",
            "HOLDED_MYSQL__PASSWORD",
            id="login",
        ),
        pytest.param(3159, "Connections using insecure transport are prohibited", "HOLDED_MYSQL__TLS", id="no TLS"),
    ],
)
def test_a_refusal_names_the_variable(code: int, said: str, variable: str) -> None:
    with pytest.raises(GoldUnavailableError, match=variable), translated():
        raise pymysql.err.OperationalError(code, said)
