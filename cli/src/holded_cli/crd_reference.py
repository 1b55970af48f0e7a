"""The reference page of HoldedPipeline, made from its CRD: `python -m holded_cli.crd_reference CRD.yaml > PAGE.md`.

Pure but for `main`. `make generate` writes the page and a test compares it, so the page cannot go stale.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

type Schema = dict[str, Any]

_HEADER = """\
# HoldedPipeline reference

<!-- Generated from the CRD by `make generate`; edit the models in operator/src/holded_operator/api instead. -->

Group `{group}`, version `{version}`, kind `{kind}`, short name {short_names}, {scope}. Subresources: {subresources}.

Columns of `kubectl get {plural}`: {columns}.

A default of “—” means that the field may be left out; an object then has the defaults of its fields. `[]` in a path is
an element of a list, `.*` a value of a map with free keys.
"""


class Row(NamedTuple):
    """One field of the resource."""

    path: str
    type: str
    required: bool
    default: str
    description: str


class Rule(NamedTuple):
    """One CEL rule of the resource."""

    path: str
    message: str


def render_reference(crd: dict[str, Any]) -> str:
    """Return the page, in Markdown, of a CustomResourceDefinition with one version."""
    spec = crd["spec"]
    version = spec["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    names = spec["names"]
    header = _HEADER.format(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        short_names=", ".join(f"`{name}`" for name in names.get("shortNames", [])),
        scope=spec["scope"].lower(),
        subresources=", ".join(f"`{name}`" for name in version.get("subresources", {})),
        columns=", ".join(
            f"{column['name']} (`{column['jsonPath']}`)" for column in version.get("additionalPrinterColumns", [])
        ),
    )
    parts = [header, "\n## spec\n\n", _table(fields_of(schema["properties"]["spec"], nested=False))]
    parts.extend(
        f"\n## spec.{name}\n\n{_sentence(field)}{_table(fields_of(field, name))}"
        for name, field in schema["properties"]["spec"]["properties"].items()
        if field.get("type") == "object"
    )
    parts.append("\n## Rules\n\nThe API server refuses a resource that breaks one of these.\n\n")
    parts.append("| Field | Rule |\n|---|---|\n")
    parts.extend(f"| `{rule.path}` | {_cell(rule.message)} |\n" for rule in rules_of(schema, ""))
    parts.append(f"\n## status\n\n{_table(fields_of(schema['properties']['status']))}")
    return "".join(parts)


def fields_of(schema: Schema, path: str = "", *, nested: bool = True) -> Iterator[Row]:
    """Yield every field below a schema in the order of the CRD, parents before children."""
    required = set(schema.get("required", ()))
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        default = json.dumps(field["default"], ensure_ascii=False) if "default" in field else ""
        # The default of an object repeats the defaults of its fields, which have rows of their own.
        default = "" if field.get("properties") else default
        yield Row(here, _type(field), name in required, default, field.get("description", ""))
        if nested:
            yield from _inside(field, here)


def rules_of(schema: Schema, path: str) -> Iterator[Rule]:
    """Yield every CEL rule at and below a schema."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield Rule(path or ".", rule["message"])
    for name, field in schema.get("properties", {}).items():
        yield from rules_of(field, f"{path}.{name}" if path else name)
    if isinstance(schema.get("items"), dict):
        yield from rules_of(schema["items"], f"{path}[]")


def _inside(field: Schema, path: str) -> Iterator[Row]:
    yield from fields_of(field, path)
    if isinstance(field.get("items"), dict):
        yield from fields_of(field["items"], f"{path}[]")
    if isinstance(field.get("additionalProperties"), dict):
        yield from fields_of(field["additionalProperties"], f"{path}.*")


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_type(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"map of {_type(field['additionalProperties'])}"
    if field.get("x-kubernetes-preserve-unknown-fields"):
        return "object, free form"
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    at_least = ">" if field.get("exclusiveMinimum") else "≥"
    bounds = [f"{sign} {field[key]}" for key, sign in (("minimum", at_least), ("maximum", "≤")) if key in field]
    return f"{kind} {', '.join(bounds)}".strip()


def _table(rows: Iterator[Row]) -> str:
    lines = ["| Field | Type | Default | Meaning |\n", "|---|---|---|---|\n"]
    for row in rows:
        default = "required" if row.required else f"`{row.default}`" if row.default else "—"
        lines.append(f"| `{row.path}` | {_cell(row.type)} | {_cell(default)} | {_cell(row.description)} |\n")
    return "".join(lines)


def _sentence(field: Schema) -> str:
    return f"{' '.join(field['description'].split())}\n\n" if field.get("description") else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write the page of the CRD file named on the command line to standard output."""
    crd = yaml.safe_load(Path(sys.argv[1]).read_text("utf-8"))
    sys.stdout.write(render_reference(crd))


if __name__ == "__main__":
    main()
