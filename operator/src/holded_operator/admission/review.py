"""The answer to the API server: an AdmissionReview's request in, its response out.

Only what an edit brings is refused. What the resource suffers from already is a warning, so a broken pipeline can be
labelled, suspended, mended step by step, and deleted.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from holded_operator.admission.findings import Findings
from holded_operator.gateways.interfaces import Body

MAX_WARNING = 250
"""Characters of one warning; the API server may cut longer ones (256)."""


def review(request: Body, examine: Callable[[Body], Findings]) -> Body:
    """Return the response to a request about a HoldedPipeline."""
    body, old = request.get("object"), request.get("oldObject")
    if request.get("operation") not in {"CREATE", "UPDATE"} or body is None or _is_settled(body, old):
        return _allowed(request)
    body = _dated(body, request)
    found = examine(body)
    if not found.refusals:
        return _allowed(request, found.warnings)
    before = () if old is None else examine(_dated(old, request)).refusals
    news = [sentence for sentence in found.refusals if sentence not in before]
    warnings = (*(sentence for sentence in found.refusals if sentence in before), *found.warnings)
    return _refused(request, news, warnings) if news else _allowed(request, warnings)


def admitted_unchecked(request: Body, why: str) -> Body:
    """Return a response that lets the resource pass and says that nobody looked at it."""
    return _allowed(request, [f"HoldedPipeline not checked: {why}"])


def answer(response: Body) -> Body:
    """Return the AdmissionReview that carries a response."""
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def _is_settled(body: Body, old: Body | None) -> bool:
    """Tell whether there is nothing to judge: on its way out, or only metadata changed (a finalizer, a label)."""
    leaving = body["metadata"].get("deletionTimestamp") is not None
    return leaving or (old is not None and old.get("spec") == body.get("spec"))


def _dated(body: Body, request: Body) -> Body:
    """Return the resource as if it were stored: one that is new is the youngest, and in the request's namespace."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata: dict[str, Any] = {"uid": "", "creationTimestamp": now} | body["metadata"]
    name = metadata.get("name") or request.get("name") or ""
    return body | {"metadata": metadata | {"namespace": request["namespace"], "name": name}}


def _allowed(request: Body, warnings: Any = ()) -> Body:
    return {"uid": request["uid"], "allowed": True, **_warned(warnings)}


def _refused(request: Body, sentences: list[str], warnings: Any) -> Body:
    status = {"code": 422, "reason": "Invalid", "message": "; ".join(sentences)}
    return {"uid": request["uid"], "allowed": False, "status": status, **_warned(warnings)}


def _warned(warnings: Any) -> Body:
    cut = [text if len(text) <= MAX_WARNING else f"{text[: MAX_WARNING - 1]}…" for text in warnings]
    return {"warnings": cut} if cut else {}
