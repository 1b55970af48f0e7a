"""What is registered with kopf, and that kopf is kept from writing."""

from typing import Any

import kopf
import pytest

from holded_operator.config import OperatorConfig
from holded_operator.constants import FINALIZER
from holded_operator.handlers.health import PASS_LIMIT_SECONDS, Liveness
from holded_operator.handlers.watches import OWNED, register, settings


class Woken:
    """Stands for the loops; remembers who was woken."""

    def __init__(self) -> None:
        self.keys: list[tuple[str, str]] = []

    def wake(self, namespace: str, name: str) -> None:
        self.keys.append((namespace, name))

    async def stop(self) -> None:
        self.keys.clear()


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def handlers(woken: Woken) -> dict[str, Any]:
    registry = kopf.OperatorRegistry()
    register(registry, woken)  # type: ignore[arg-type]
    assert not registry._changing.get_all_handlers(), "kopf's change handlers would write annotations and finalizers"
    assert not registry._spawning.get_all_handlers()
    found = registry._watching.get_all_handlers()
    assert len(found) == 1 + len(OWNED)
    return {str(handler.id).rpartition(".")[2]: handler.fn for handler in found}


def event(kind: str | None, **metadata: Any) -> dict[str, Any]:
    return {"type": kind, "object": {"metadata": {"name": "demo", "namespace": "ns", "uid": "u", **metadata}}}


async def test_a_resource_wakes_its_loop_when_it_is_listed_edited_or_deleted_but_not_by_its_status(
    handlers: dict[str, Any], woken: Woken
) -> None:
    changed = handlers["pipeline_changed"]
    for happened, wakes in [
        (event(None, generation=1), 1),
        (event("MODIFIED", generation=1), 1),
        (event("MODIFIED", generation=2), 2),
        (event("MODIFIED", generation=2, deletionTimestamp="now"), 3),
        (event("DELETED", generation=2, deletionTimestamp="now"), 4),
        (event("ADDED", generation=1), 5),
        (event(None, generation=1), 6),
    ]:
        await changed(event=happened)
        assert len(woken.keys) == wakes


async def test_an_owned_object_wakes_its_owner_and_a_foreign_one_nobody(handlers: dict[str, Any], woken: Woken) -> None:
    owner = {"apiVersion": "holded.dev/v1alpha1", "kind": "HoldedPipeline", "name": "demo", "uid": "u"}
    await handlers["child_changed"](event=event("DELETED", ownerReferences=[owner]))
    assert woken.keys == [("ns", "demo")]
    await handlers["child_changed"](event=event("MODIFIED", ownerReferences=[{**owner, "kind": "Other"}]))
    await handlers["child_changed"](event=event("MODIFIED"))
    assert woken.keys == [("ns", "demo")]


def test_kopf_neither_takes_our_finalizer_off_nor_posts_events_nor_watches_the_cluster() -> None:
    made = settings(OperatorConfig())
    assert made.persistence.finalizer != FINALIZER
    assert not made.posting.enabled
    assert made.scanning.disabled
    assert made.watching.server_timeout is not None
    assert made.watching.client_timeout is not None
    assert len(made.watching.label_selectors) == len(OWNED), "only owned objects are watched"


def test_liveness_fails_when_the_event_loop_stops_or_no_pass_ends() -> None:
    now = [0.0]
    liveness = Liveness(lambda: now[0])
    now[0] = 200
    assert liveness.age() == 200, "the event loop stands"
    liveness.beat()
    assert liveness.age() == 0

    liveness.begin("stuck")
    now[0] += PASS_LIMIT_SECONDS + 130
    liveness.beat()
    assert liveness.age() == 130, "a pass does not end"
    liveness.begin("another")
    liveness.end("another")
    assert liveness.age() < 120, "others do: it is that resource, not the operator"
    liveness.end("stuck")
    assert liveness.age() == 0


def test_namespaces_are_read_from_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDED_OPERATOR_WATCH_NAMESPACES", "a, b,")
    assert OperatorConfig().watch_namespaces == ("a", "b")
    monkeypatch.setenv("HOLDED_OPERATOR_WATCH_NAMESPACES", "")
    assert OperatorConfig().watch_namespaces == ()
