"""The webhook's answers: only what an edit brings is refused; whatever a resource suffers from, it can be let go."""

from typing import Any

import pytest

from holded_operator.admission.findings import Findings
from holded_operator.admission.review import review
from holded_operator.gateways.interfaces import Body

GOOD, BAD, WORSE = ({"partitions": number} for number in (6, 3, 2))


def examine(body: Body) -> Findings:
    """Find less than 4 partitions wrong."""
    count = body["spec"]["partitions"]
    return Findings((f"spec.partitions: {count} is less than 4",) if count < 4 else ())


def never(body: Body) -> Findings:
    raise AssertionError("nobody has to look at this")


def request(operation: str, new: Any, old: Any = None, **metadata: Any) -> Body:
    def resource(spec: Any) -> Body | None:
        return None if spec is None else {"metadata": {"name": "demo", **metadata}, "spec": spec}

    return {
        "uid": "u-1",
        "operation": operation,
        "namespace": "tests",
        "object": resource(new),
        "oldObject": resource(old),
    }


def test_a_good_resource_is_admitted() -> None:
    assert review(request("CREATE", GOOD), examine) == {"uid": "u-1", "allowed": True}


def test_a_bad_resource_is_refused_with_all_that_is_wrong() -> None:
    found = Findings(("a: one", "b: two"), ("c: not checked",))
    response = review(request("CREATE", BAD), lambda _: found)
    assert response["allowed"] is False
    assert response["status"] == {"code": 422, "reason": "Invalid", "message": "a: one; b: two"}
    assert response["warnings"] == ["c: not checked"]


def test_an_edit_that_makes_it_bad_is_refused() -> None:
    assert review(request("UPDATE", BAD, GOOD), examine)["allowed"] is False


def test_an_edit_that_makes_it_worse_is_refused() -> None:
    assert review(request("UPDATE", WORSE, BAD), examine)["allowed"] is False


def test_an_edit_that_leaves_it_as_bad_as_it_was_is_admitted_with_a_warning() -> None:
    response = review(request("UPDATE", BAD | {"suspend": True}, BAD), examine)
    assert response == {"uid": "u-1", "allowed": True, "warnings": ["spec.partitions: 3 is less than 4"]}


def test_of_two_faults_only_the_new_one_is_the_reason() -> None:
    def two(body: Body) -> Findings:
        return Findings(tuple(body["spec"]["faults"]))

    response = review(request("UPDATE", {"faults": ["old", "new"]}, {"faults": ["old"]}), two)
    assert response["status"]["message"] == "new"
    assert response["warnings"] == ["old"]


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request("UPDATE", BAD, BAD, finalizers=[]), id="only metadata"),
        pytest.param(request("UPDATE", WORSE, BAD, deletionTimestamp="2026-01-01T00:00:00Z"), id="being deleted"),
        pytest.param(request("DELETE", None, BAD), id="deletion"),
        pytest.param(request("CONNECT", BAD), id="something else"),
    ],
)
def test_nobody_asks_the_outside_about(asked: Body) -> None:
    assert review(asked, never) == {"uid": "u-1", "allowed": True}


def test_a_new_resource_is_the_youngest_and_has_the_namespace_of_its_request() -> None:
    seen: list[Body] = []

    def note(body: Body) -> Findings:
        seen.append(body)
        return Findings()

    review(request("CREATE", GOOD), note)
    metadata = seen[0]["metadata"]
    assert metadata["namespace"] == "tests"
    assert metadata["uid"] == ""
    assert metadata["creationTimestamp"] > "2026-01-01"


def test_warnings_are_as_short_as_the_api_server_wants_them() -> None:
    (warning,) = review(request("CREATE", GOOD), lambda _: Findings((), ("x" * 999,)))["warnings"]
    assert len(warning) <= 256
