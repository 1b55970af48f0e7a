"""Sentences of the client libraries and the field that each leads to; the secured systems of the integration tests say them."""

import pytest

from holded_contracts import advice
from holded_contracts.io.kafka import ConnectionLog

VERIFY = (
    "ssl://{}: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could"
    " not be verified, verify that ssl.ca.location is correctly configured or root CA certificates are installed"
    " (install ca-certificates package) (after {}ms in state SSL_HANDSHAKE)"
)


class _Error:
    def __init__(self, code: int, text: str) -> None:
        self._code, self._text = code, text

    def code(self) -> int:
        return self._code

    def str(self) -> str:
        return self._text


TIMED_OUT = _Error(-185, "Local: Timed out")
DENIED = _Error(29, "Broker: Topic authorization failed")


def told(log: ConnectionLog, *lines: str) -> str:
    for line in lines:
        log.log(40, "%s [%s] %s", "FAIL", "rdkafka#producer-1", f"[thrd:x]: {line}")
    return log.explain(TIMED_OUT)


def test_a_time_out_is_explained_by_what_the_connection_met() -> None:
    assert told(ConnectionLog(), VERIFY.format("b1:9093/bootstrap", 3)) == (
        "ssl://b1:9093: certificate verify failed; spec.kafka.security.caSecretRef must hold the authority of the"
        " brokers' certificates, these the host in spec.kafka.bootstrapServers"
    )


def test_the_words_stay_while_the_cause_stays_and_change_with_it() -> None:
    log = ConnectionLog()
    first = told(log, VERIFY.format("b1:9093/bootstrap", 3))
    assert told(log, VERIFY.format("b2:9093/2", 12), VERIFY.format("b1:9093/1", 7)) == first
    short = "ssl://b1:9093/bootstrap: error:0A000086:SSL routines::certificate verify failed (after 5ms in state X)"
    assert told(log, short) == first
    assert "refused" in told(
        log, "b1:9093/1: Connect to ipv4#10.0.0.1:9093 failed: Connection refused (after 0ms in state X)"
    )


def test_an_answer_of_the_broker_stands_for_itself() -> None:
    log = ConnectionLog()
    told(log, VERIFY.format("b1:9093/bootstrap", 3))
    assert log.explain(DENIED) == "Broker: Topic authorization failed"
    log.clear()
    assert log.explain(TIMED_OUT) == "Local: Timed out"


def test_every_line_is_handed_on() -> None:
    lines: list[tuple[int, str]] = []
    ConnectionLog(lambda level, line: lines.append((level, line))).log(20, "%s 100%%", "progress")
    assert lines == [(20, "progress 100%")]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (
            "Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required",
            "clientCertificateSecretRef",
        ),
        ("Receive failed: SSL routines::ssl/tls alert bad certificate", "clientCertificateSecretRef"),
        ("SASL authentication error: Authentication failed", "credentialsSecretRef"),
        ("SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism", "saslMechanism"),
        ("Disconnected: connection closed by peer (after 2ms in state APIVERSION_QUERY)", "security.protocol"),
        ("SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?", "security.protocol"),
    ],
)
def test_kafkas_words_lead_to_a_field(said: str, field: str) -> None:
    assert f"{field}" in (advice.kafka(said) or "")


def test_every_advice_about_kafka_names_the_fields_that_its_reader_has() -> None:
    for pattern, text in advice._KAFKA:
        for fields, others in (
            (advice.KAFKA_RESOURCE, advice.KAFKA_ENVIRONMENT),
            (advice.KAFKA_ENVIRONMENT, advice.KAFKA_RESOURCE),
        ):
            told = text.format_map(fields._asdict())
            assert any(name in told for name in fields), pattern
            assert not any(name in told for name in others), pattern


def test_words_that_tell_of_no_setting_lead_nowhere() -> None:
    assert advice.kafka("Connect to ipv4#127.0.0.1:1 failed: Connection refused") is None
    assert advice.registry("http://r", "Connection refused") is None
    assert advice.registry("http://r:401", "HTTP 404 not found") is None
    assert advice.mysql(2003, "Can't connect to MySQL server on 'h' ([Errno 111] Connection refused)") is None


def test_fields_of_mysql_are_those_that_the_reader_has() -> None:
    assert "spec.mysql.tls.mode" in (advice.mysql(3159, "insecure transport") or "")
    assert "HOLDED_MYSQL__TLS" in (advice.mysql(3159, "insecure transport", advice.MYSQL_ENVIRONMENT) or "")


def test_the_account_is_not_told() -> None:
    assert advice.without_account("denied for user 'root'@'10.0.0.1'") == "denied for user '***'@'10.0.0.1'"
