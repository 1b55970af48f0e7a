"""Quantities in the form in which the API server stores them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_operator.api.v1alpha1 import Resources
from holded_operator.desired.quantities import canonical, value
from holded_operator.desired.resources import resources
from holded_operator.desired.state import Component


@pytest.mark.parametrize(
    ("given_form", "stored"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1", "1"),
        ("1.0", "1"),
        ("2000", "2k"),
        ("0.1", "100m"),
        ("100m", "100m"),
        ("1500m", "1500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("128974848", "128974848"),
        ("129M", "129M"),
        ("123Mi", "123Mi"),
        ("1e3", "1e3"),
        ("12e5", "1200e3"),
        ("0", "0"),
        ("0Mi", "0"),
        ("0.5Ki", "512"),
        ("1Ki", "1Ki"),
        ("1E", "1E"),
        (".5", "500m"),
        ("0.0000000001", "1n"),
    ],
)
def test_canonical_form(given_form: str, stored: str):
    assert canonical(given_form) == stored


@given(
    st.integers(0, 10**9),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E2", "n", "u"]),
)
def test_canonical_keeps_the_value_and_is_final(number: int, suffix: str):
    quantity = f"{number}{suffix}"

    assert value(canonical(quantity)) == value(quantity)
    assert canonical(canonical(quantity)) == canonical(quantity)


def test_value():
    assert value("1.5Gi") == Decimal(1536) * 1024 * 1024
    assert value("250m") == Decimal("0.25")


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "-1", "1Kb"])
def test_what_is_no_quantity_is_refused(text: str):
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        value(text)


def test_a_request_above_the_default_limit_raises_the_limit():
    bent = resources(Component.WORKER, Resources(requests={"memory": "4Gi"}))

    assert bent["limits"]["memory"] == bent["requests"]["memory"] == "4Gi"


def test_a_limit_below_the_default_request_lowers_the_request():
    bent = resources(Component.SINK, Resources(limits={"memory": "64Mi"}))

    assert bent["limits"]["memory"] == bent["requests"]["memory"] == "64Mi"
