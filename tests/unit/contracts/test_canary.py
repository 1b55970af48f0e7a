from holded_contracts.canary import canary_pod, canary_source, is_canary


def test_a_canary_is_known_by_a_source_that_no_api_key_can_have() -> None:
    source = canary_source("demo-collector-7d9f-x2x")
    assert is_canary(source)
    assert canary_pod(source) == "demo-collector-7d9f-x2x"
    assert ":" in source, "keys of a Secret are letters, digits, dots, hyphens and underscores"
    assert not is_canary(None)
    assert not is_canary("canary")


def test_the_longest_name_of_a_pod_fits_the_columns_of_sources() -> None:
    assert len(canary_source("x" * 253)) <= 255
