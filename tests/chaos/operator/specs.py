"""Specs drawn from the CRD's own schema by hypothesis: what its types, patterns and bounds allow, and one step beyond."""

import copy
import random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from holded_operator.crd import crd

type Spec = dict[str, Any]

SECRET = "mysql"
"""The one Secret of a trial; every reference gets its name."""
MOST = {"replicas": 3, "minReplicas": 2, "maxReplicas": 3, "partitions": 8, "taskManagers": 2, "slots": 2}
"""Bounds below the schema's: what costs pods and topics."""
OPTIONAL = 0.25
"""Chance of an optional field to be there."""
LEFT_OUT = {"podTemplate", "nodePort"}
"""Free-form parts that are checked by the API server's own rules, and ports of which a node has one."""


def draw(count: int, number: int) -> list[Spec]:
    """Return specs; equal for equal seeds."""
    found: list[Spec] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(_values(_spec_schema(), "spec"))
    def collect(spec: Spec) -> None:
        found.append(spec)

    collect()
    return found


def spoilt(spec: Spec, number: int) -> tuple[str, Spec]:
    """Return the spec with one field that breaks its schema, and the field's path."""
    chance = random.Random(number)
    places = list(_places(spec, _spec_schema(), ("spec",)))
    path, bad = chance.choice(places)
    result = copy.deepcopy(spec)
    holder = result
    for key in path[1:-1]:
        holder = holder[key]
    holder[path[-1]] = bad
    return ".".join(path), result


def _spec_schema() -> dict[str, Any]:
    found: dict[str, Any] = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def _values(schema: dict[str, Any], name: str) -> st.SearchStrategy[Any]:  # noqa: PLR0911 -- one line a type
    if name.endswith(("SecretRef", "secretRef")):
        return st.just({"name": SECRET})
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.sampled_from(["1", "500m", "256Mi", "1Gi", 2])
    kind = schema.get("type")
    if kind == "object":
        return _objects(schema)
    if kind == "array":
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
        return st.lists(_values(schema["items"], name), min_size=least, max_size=max(least, most), unique_by=repr)
    if kind == "integer":
        least, most = schema.get("minimum", 0), schema.get("maximum", 2**31 - 1)
        return st.integers(least, max(least, min(most, MOST.get(name, most))))
    if kind == "number":
        return st.floats(schema.get("minimum", 0), schema.get("maximum", 1000), allow_nan=False, width=32)
    if kind == "boolean":
        return st.booleans()
    if "pattern" in schema:
        text = st.from_regex(
            schema["pattern"], fullmatch=True, alphabet=st.characters(max_codepoint=126, min_codepoint=33)
        )
        most = schema.get("maxLength", 60)
        return text.filter(lambda value: schema.get("minLength", 0) <= len(value) <= most)
    alphabet = st.characters(min_codepoint=33, max_codepoint=126)
    return st.text(alphabet, min_size=max(1, schema.get("minLength", 1)), max_size=min(schema.get("maxLength", 20), 20))


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if "properties" not in schema:
        extra = schema.get("additionalProperties")
        if not isinstance(extra, dict):
            return st.just({})
        keys = st.from_regex(r"[a-z]{1,8}\.[a-z]{1,8}", fullmatch=True)
        return st.dictionaries(keys, _values(extra, ""), max_size=2)
    required = set(schema.get("required", ()))
    fields = {key: value for key, value in schema["properties"].items() if key not in LEFT_OUT}

    @st.composite
    def whole(choose: st.DrawFn) -> dict[str, Any]:
        chosen = {}
        for key, value in fields.items():
            if key in required or choose(st.floats(0, 1)) < OPTIONAL:
                chosen[key] = choose(_values(value, key))
        return chosen

    return whole()


def _places(value: Any, schema: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Yield the path of each field, and a value that its schema refuses."""
    if not isinstance(value, dict) or "properties" not in schema:
        return
    for key, entry in value.items():
        part = schema["properties"][key]
        place = (*path, key)
        if part.get("type") in {"integer", "number", "boolean"}:
            yield place, "not a number"
        elif part.get("type") == "object" and "properties" in part:
            yield (*place, "noSuchField"), 1
        elif "enum" in part:
            yield place, "NoSuchValue"
        elif part.get("type") == "string":
            yield place, 17
        yield from _places(entry, part, place)
