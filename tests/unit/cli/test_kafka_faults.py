"""What the commands say of a Kafka that hangs up on them: the variable to correct."""

import socketserver
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from holded_cli.erase import topics
from holded_cli.replay import publisher
from holded_cli.replay.letters import Letter, Replay
from holded_contracts import wire
from holded_contracts.settings import KafkaSettings, TopicNames

FIELDS: dict[str, Any] = {"event_id": b"e" * 16, "received_at": 1, "type": "", "source": None, "payload": b"{}"}


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    """Return a listener that hangs up on the first words, as one does that wants TLS."""

    class HangUp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), HangUp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield KafkaSettings(bootstrap_servers=f"127.0.0.1:{server.server_address[1]}")
        server.shutdown()


def test_replay_names_the_variable(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_DELIVERY_SECONDS", 2)
    replay = Replay(cast("Letter", None), b"e" * 16, FIELDS, [], stored=False)  # its letter is not looked at
    with pytest.raises(publisher.KafkaUnavailableError, match="correct HOLDED_KAFKA__SECURITY_PROTOCOL"):
        publisher.Publisher(kafka, TopicNames(), wire.frame(1)).send([replay])


def test_erase_names_the_variable(kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "_ANSWER_SECONDS", 2.0)
    told = topics.retention_of_topics(kafka, TopicNames())
    assert len(told) == 4
    assert all("correct HOLDED_KAFKA__SECURITY_PROTOCOL" in said for said in told.values()), told
