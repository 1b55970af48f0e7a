"""Corrections by JSONPath: what they change, and that nothing else does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_cli.replay.patches import PatchError, apply, delete_patch, read, set_patch, write

EVENT = (
    rb'{"data": {"amount": 1e2, "exact": 0.10000000000000000555, "big": 123456789012345678901234567890, "lines": '
    rb'[{"id": 1, "n": 1}, {"id": 2, "n": 2}, {"id": 3, "n": 3}]}, "headers": {"type": "T", "Stamp\\Context": {}}}'
)


def patched(*patches):
    payload, _ = apply(EVENT, patches)
    return json.loads(payload)


def test_without_patches_the_payload_keeps_its_bytes():
    assert apply(EVENT, []) == (EVENT, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$.data.amount=12.5", 12.5),
        ("$.data.amount=null", None),
        ('$.data.amount={"a": [1]}', {"a": [1]}),
        ("$.data.amount=EUR", "EUR"),
        ("$.data.amount=", ""),
        ("$.data.amount=a=b", "a=b"),
        ("$.data.amount=2026-11-20", "2026-11-20"),
        ('$.data.amount="12"', "12"),
        ("$['data']['amount'] = 7", 7),
    ],
)
def test_a_value_is_json_or_else_text(text, value):
    assert patched(set_patch(text))["data"]["amount"] == value


def test_a_path_may_hold_comparisons_and_lead_to_several_places():
    assert [line["n"] for line in patched(set_patch("$.data.lines[?@.id>=2].n=9"))["data"]["lines"]] == [1, 9, 9]
    assert [line["n"] for line in patched(set_patch("$.data.lines[?@.id==2].n=9"))["data"]["lines"]] == [1, 9, 3]


def test_a_missing_member_is_added_where_its_parent_is_there():
    assert patched(set_patch("$.data.currency=EUR"))["data"]["currency"] == "EUR"
    assert patched(set_patch(r"$.headers['Stamp\\Context'].accountId=a"))["headers"]["Stamp\\Context"] == {
        "accountId": "a"
    }


def test_several_elements_of_an_array_are_removed_whatever_their_order():
    assert patched(delete_patch("$.data.lines[?@.id!=2]"))["data"]["lines"] == [{"id": 2, "n": 2}]


def test_patches_apply_one_after_another_and_do_not_share_values_between_events():
    patches = [set_patch("$.data.x={}"), set_patch("$.data.x.y=1")]
    assert apply(EVENT, patches) == apply(EVENT, patches)
    assert patched(*patches)["data"]["x"] == {"y": 1}


def test_numbers_that_are_not_touched_keep_their_value_exactly():
    payload, changes = apply(EVENT, [set_patch("$.data.amount=1")])
    assert b'"exact":0.10000000000000000555,"big":123456789012345678901234567890,' in payload
    assert [str(change) for change in changes] == ["$['data']['amount']: 1E+2 → 1"]


def test_a_change_names_the_place_without_content():
    _, changes = apply(EVENT, [set_patch("$.data.lines[?@.id>1].n=0"), delete_patch("$.data.exact")])
    assert {change.place for change in changes} == {"$['data']['lines'][*]['n']", "$['data']['exact']"}


@pytest.mark.parametrize("text", ["", "$.data.amount", "data.amount=1", "$.data[=1", "$.a={1", "$.a=12.x", "$.a=[1,"])
def test_a_patch_that_cannot_be_read_is_refused_with_its_text(text):
    with pytest.raises(PatchError, match="--set"):
        set_patch(text)
    with pytest.raises(PatchError, match="--delete"):
        delete_patch("data[")


@pytest.mark.parametrize(
    "patch",
    [set_patch("$.nowhere.x=1"), set_patch("$.data.lines[7].n=1"), delete_patch("$.data.nothing"), set_patch("$=1")],
)
def test_a_path_that_leads_nowhere_is_told(patch):
    with pytest.raises(PatchError, match=r"leads nowhere|as a whole"):
        apply(EVENT, [patch])


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000])
def test_what_is_no_json_is_told(payload):
    with pytest.raises(PatchError):
        apply(payload, [])


def test_half_a_surrogate_pair_cannot_be_written_but_can_be_replaced():
    payload = rb'{"a": "\ud800", "b": 1}'
    with pytest.raises(PatchError, match="cannot be written"):
        apply(payload, [set_patch("$.b=2")])
    assert apply(payload, [set_patch("$.a=ok")])[0] == b'{"a":"ok","b":1}'


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
def test_what_is_read_is_written_back_deep_equal(document):
    text = json.dumps(document)
    try:
        written = write(read(text.encode()))
    except PatchError:
        assert any(0xD800 <= ord(character) <= 0xDFFF for character in json.loads(json.dumps(text)))
        return
    assert json.loads(written) == document
