"""The reference page is made from the CRD and from nothing else."""

from pathlib import Path

import yaml

from holded_cli.crd_reference import fields_of, render_reference, rules_of

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "holdedpipeline.md"

SCHEMA = {
    "type": "object",
    "required": ["host"],
    "properties": {
        "host": {"type": "string", "description": "Host | name\nor address."},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 3306},
        "mode": {"type": "string", "enum": ["Open", "ApiKey"], "default": "Open"},
        "limits": {
            "type": "object",
            "default": {},
            "properties": {"ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True}},
            "x-kubernetes-validations": [{"rule": "true", "message": "ratio fits"}],
        },
        "rules": {"type": "array", "items": {"type": "object", "properties": {"context": {"type": "string"}}}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def crd_file() -> Path:
    (file,) = (ROOT / "crds").glob("*.yaml")
    return file


def test_the_page_is_current():
    crd = yaml.safe_load(crd_file().read_text("utf-8"))
    assert PAGE.read_text("utf-8") == render_reference(crd), "run: make generate"


def test_every_field_of_the_spec_has_a_row_and_a_description():
    schema = yaml.safe_load(crd_file().read_text("utf-8"))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    page = PAGE.read_text("utf-8")
    rows = list(fields_of(schema["properties"]["spec"]))
    assert len(rows) > 50
    for row in rows:
        assert f"| `{row.path}` |" in page
        assert row.description, row.path


def test_fields_are_listed_depth_first_with_type_and_default():
    rows = [(row.path, row.type, row.required, row.default) for row in fields_of(SCHEMA)]
    assert rows == [
        ("host", "string", True, ""),
        ("port", "integer ≥ 1, ≤ 65535", False, "3306"),
        ("mode", "`Open` or `ApiKey`", False, '"Open"'),
        ("limits", "object", False, ""),
        ("limits.ratio", "number > 0", False, ""),
        ("rules", "list of object", False, ""),
        ("rules[].context", "string", False, ""),
        ("labels", "map of string", False, ""),
    ]


def test_rules_are_found_where_they_stand():
    assert [tuple(rule) for rule in rules_of(SCHEMA, "")] == [("limits", "ratio fits")]


def test_a_description_stays_in_its_cell():
    crd = {
        "spec": {
            "group": "g",
            "scope": "Namespaced",
            "names": {"kind": "K", "plural": "ks"},
            "versions": [
                {
                    "name": "v1",
                    "schema": {"openAPIV3Schema": {"properties": {"spec": SCHEMA, "status": {"properties": {}}}}},
                }
            ],
        }
    }
    assert "| `host` | string | required | Host \\| name or address. |\n" in render_reference(crd)
