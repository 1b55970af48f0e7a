"""Amounts are exact."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_worker.domain.money import find_money


def read(text: str):
    return find_money(json.loads(text), text.encode())


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ('{"amount": 12}', "12.0000", None),
        ('{"amount": -0.1, "currency": "EUR"}', "-0.1000", "EUR"),
        ('{"amount": "1234.5", "currencyCode": "usd"}', "1234.5000", "usd"),
        ('{"amount": 1234567890123456.7891}', "1234567890123456.7891", None),
        ('{"amount": 0.00005}', "0.0001", None),
        ('{"amount": -0.00005}', "-0.0001", None),
        ('{"total": 5, "totalAmount": 7}', "7.0000", None),
        ('{"amount": {"amount": "3.10", "currency": "GBP"}}', "3.1000", "GBP"),
        ('{"amount": {"value": 3.1}, "currency": "GBP"}', "3.1000", "GBP"),
        ('{"amount": 1e-300}', "0.0000", None),
        ('{"amount": 9999999999999999.9999}', "9999999999999999.9999", None),
    ],
)
def test_amounts(text, amount, currency):
    found = read(text)
    assert found.amount == Decimal(amount)
    assert str(found.amount) == amount
    assert found.currency == currency
    assert found.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        *('{"amount": "much"}', '{"amount": true}', '{"amount": []}', '{"amount": {}}', '{"amount": ""}'),
        *('{"amount": 10000000000000000}', '{"amount": 9999999999999999.99995}', '{"amount": 1e300}'),
        *('{"amount": "1e999"}', '{"amount": "NaN"}', '{"amount": "١٢"}', '{"amount": "1_000"}'),
    ],
)
def test_what_is_no_amount_is_left_out_with_a_note(text):
    found = read(text)
    assert found.amount is None
    assert found.notes[0].startswith("data.amount: ")


def test_no_amount_needs_no_note():
    assert read('{"id": 1, "amount": null}') == (None, None, ())


def test_a_currency_that_is_none_is_left_out_with_a_note():
    found = read('{"amount": 1, "currency": "euro"}')
    assert found.currency is None
    assert found.notes == ("currency: not an ISO 4217 code, left out",)


@given(st.decimals(min_value=-(10**16) + 1, max_value=10**16 - 1, places=4, allow_nan=False))
def test_any_amount_of_the_column_is_exact(amount):
    assert read(f'{{"amount": {amount:f}}}').amount == amount
    assert read(f'{{"amount": "{amount:f}"}}').amount == amount
