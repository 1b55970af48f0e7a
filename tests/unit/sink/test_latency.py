from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from holded_sink.latency import AgeHistogram

BOUNDS = (0.05, 0.5, 1, 10)
NOW = 1_795_435_200_000_000


@settings(deadline=None)  # a busy machine is no fault
@given(st.lists(st.lists(st.integers(-2_000_000, 20_000_000), max_size=20), max_size=4))
def test_batches_are_counted_as_the_client_library_counts_them_one_by_one(batches: list[list[int]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = AgeHistogram("x_seconds", "X", BOUNDS, registry=ours)
    reference = Histogram("x_seconds", "X", buckets=BOUNDS, registry=theirs)
    for ages in batches:
        histogram.observe((NOW - age for age in ages), NOW)
        for age in ages:
            reference.observe(max(0, age) / 1e6)
    for bound in ("0.05", "0.5", "1.0", "10.0", "+Inf"):
        labels = {"le": bound}
        assert ours.get_sample_value("x_seconds_bucket", labels) == theirs.get_sample_value("x_seconds_bucket", labels)
    assert ours.get_sample_value("x_seconds_count") == theirs.get_sample_value("x_seconds_count")
    assert abs((ours.get_sample_value("x_seconds_sum") or 0) - (theirs.get_sample_value("x_seconds_sum") or 0)) < 1e-6


def test_it_is_exported_as_a_histogram() -> None:
    registry = CollectorRegistry()
    AgeHistogram("x_seconds", "X", BOUNDS, registry=registry).observe([NOW - 700_000], NOW)
    text = generate_latest(registry).decode()
    assert "# TYPE x_seconds histogram" in text
    assert 'x_seconds_bucket{le="1.0"} 1.0' in text
    assert 'x_seconds_bucket{le="0.5"} 0.0' in text
