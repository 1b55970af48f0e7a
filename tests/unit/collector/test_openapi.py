"""The OpenAPI document and the application keep each other's word: schemathesis sends what the document allows, and not."""

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode, checks
from schemathesis.openapi import from_asgi
from schemathesis.specs.openapi import checks as openapi_checks

ALWAYS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
BOUNDED = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_to_generated_events_is_one_that_the_document_promises(rig, mode: GenerationMode) -> None:
    operation = from_asgi("/openapi.json", rig.app)["/collect"]["POST"]
    seen: set[int] = set()

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        case.headers.pop("Content-Encoding", None)  # the document cannot say that it must be true of the body
        response = case.call()
        seen.add(response.status_code)
        expected = [openapi_checks.positive_data_acceptance] if mode is GenerationMode.POSITIVE else []
        case.validate_response(response, checks=[*ALWAYS, *expected])

    check()
    assert 202 in seen if mode is GenerationMode.POSITIVE else seen & {400, 422}


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
@pytest.mark.parametrize("away", [None, "no Kafka"])
def test_every_answer_of_the_other_paths_is_promised(rig, path: str, away: str | None) -> None:
    rig.publisher.away = away
    case = from_asgi("/openapi.json", rig.app)[path]["GET"].Case()
    case.validate_response(case.call(), checks=ALWAYS[1:])
