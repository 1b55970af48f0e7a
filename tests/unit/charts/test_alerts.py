"""The chart's alerts as Prometheus judges them: promtool runs the rendered rules over what the services' pods export."""

import re
from pathlib import Path

import pytest
import yaml

from holded_collector.metrics import Metrics
from holded_contracts.canary import LATE_PERIODS
from holded_sink import metrics as sink_metrics
from tests.support.alerts import (
    BOUNDS,
    CANARY_PERIOD,
    CANARY_SENT,
    END_TO_END,
    HOUR,
    LONG_AGO,
    MINUTE,
    NEVER,
    SINK,
    STARTED,
    STEP,
    Commits,
    Pod,
    Rules,
    collector,
    late,
    latencies,
    promtool,
    sink,
    slow,
    stored,
)

ROOT = Path(__file__).parents[3]


@pytest.fixture
def rules(render, tmp_path) -> Rules:
    return Rules(render("holded-pipeline", "alerts.enabled=true"), tmp_path)


def test_prometheus_takes_the_rules_and_has_nothing_to_say_against_them(rules):
    assert "SUCCESS: 2 rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", rules.path)


def test_the_series_of_these_trials_are_exported_as_they_are_here():
    collector = {sample.name: sample for family in Metrics().registry.collect() for sample in family.samples}
    assert collector[CANARY_PERIOD].labels == collector[STARTED].labels == {}, "the rule joins them by the pod's labels"
    (newest,) = (sample for family in sink_metrics.CANARY_SENT.collect() for sample in family.samples)
    assert (newest.name, newest.labels, newest.value) == (CANARY_SENT, {}, 0)
    buckets = next(iter(sink_metrics.END_TO_END.collect())).samples
    assert {sample.name for sample in buckets if sample.labels} == {END_TO_END}
    assert BOUNDS[-1] == "+Inf"


# HoldedCanaryLate

LATE_AT = 600 + LATE_PERIODS * 30 + STEP + 2 * MINUTE
"""Canaries every 30 s stall at 600: three periods later they are late with the next look, and then for two minutes."""
STALLED = range(600, 1500)


def test_canaries_that_arrive_are_silence(rules):
    rules.judge(collector(), sink(stored()))


def test_canaries_that_stall_fire_until_they_arrive_again(rules):
    rules.judge(collector(), sink(stored(stalled=STALLED)), fires=[late(range(LATE_AT, STALLED.stop))])


def test_a_stall_of_less_than_for_is_silence(rules):
    rules.judge(collector(), sink(stored(stalled=range(600, LATE_AT))))


def test_no_sink_fires_until_there_is_one(rules):
    gone = range(600, 1500)
    rules.judge(
        collector(),
        sink(lambda now: None if now in gone else now),
        fires=[late(range(gone.start + 2 * MINUTE, gone.stop))],
    )


def test_a_sink_that_restarts_while_canaries_stall_is_the_same_alert(rules):
    before = stored(stalled=STALLED)

    def newest(now: int) -> float | None:
        if now in range(900, 1020):
            return None
        return NEVER if now in range(1020, 1110) else before(now)  # until MySQL has told it

    rules.judge(collector(), sink(newest), fires=[late(range(LATE_AT, STALLED.stop))])


@pytest.mark.parametrize(
    "period", [0, float("nan"), None], ids=["turned off", "not a number", "a collector without canaries"]
)
@pytest.mark.parametrize(
    "newest", [lambda _: NEVER, lambda _: 0, lambda _: None], ids=["never one", "an old one", "no sink"]
)
def test_without_canaries_nothing_is_late(rules, period, newest):
    rules.judge(collector(period=period), sink(newest))


def test_turning_canaries_off_ends_the_alert(rules):
    rules.judge(
        collector(seen=range(1200)),
        collector(Pod("collector", 1), period=0, seen=range(1170, HOUR)),
        sink(stored(stalled=range(600, HOUR))),
        fires=[late(range(LATE_AT, 1200))],
    )


def test_a_newest_canary_that_is_not_a_number_is_silence(rules):
    rules.judge(collector(), sink(lambda _: float("nan")))


@pytest.mark.parametrize("period", [30, HOUR])
@pytest.mark.parametrize("before", [NEVER, LONG_AGO], ids=["a new pipeline", "canaries turned on again"])
def test_the_first_canary_may_take_a_period(rules, period, before):
    first = 600 + period
    rules.judge(
        collector(period=period, began=600, seen=range(600, 2 * HOUR)),
        sink(lambda now: before if now < first else stored(every=period)(now)),
        until=2 * HOUR,
        step=60,
    )


@pytest.mark.parametrize("period", [30, HOUR])
def test_a_first_canary_that_never_arrives_is_late(rules, period):
    until = LATE_PERIODS * period + HOUR
    rules.judge(
        collector(period=period, began=0),
        sink(lambda _: NEVER),
        fires=[late(range(LATE_PERIODS * period + 2 * MINUTE, until))],
        until=until,
    )


@pytest.mark.parametrize("period", [30, HOUR])
def test_a_suspended_pipeline_is_silence_and_so_is_one_that_resumes(rules, period):
    until = 8 * HOUR
    suspended, first = range(600, 5 * HOUR), 5 * HOUR + period
    rules.judge(
        collector(period=period, seen=range(suspended.start)),
        collector(Pod("collector", 1), period=period, began=suspended.stop, seen=range(suspended.stop, until)),
        sink(
            lambda now: None if now in suspended else stored(every=period, stalled=range(suspended.start, first))(now)
        ),
        until=until,
        step=60,
    )


def test_collectors_that_are_gone_send_nothing_that_could_be_late(rules):
    rules.judge(collector(seen=range(600)), sink(stored(stalled=range(600, HOUR))))


def test_collectors_that_are_all_replaced_have_three_periods_again(rules):
    rules.judge(
        collector(seen=range(1200)),
        collector(Pod("collector", 1), began=1200, seen=range(1200, HOUR)),
        sink(stored(stalled=range(600, 2400))),
        fires=[late(range(LATE_AT, 1200)), late(range(1200 + LATE_PERIODS * 30 + 2 * MINUTE, 2400))],
    )


def test_a_collector_that_joins_others_changes_nothing(rules):
    young = [collector(Pod("collector", one), began=100 * one, seen=range(100 * one, HOUR)) for one in range(1, 15)]
    rules.judge(collector(), *young, sink(stored(stalled=STALLED)), fires=[late(range(LATE_AT, STALLED.stop))])


def test_without_the_time_of_a_collectors_start_late_is_late(rules):
    rules.judge(
        collector(began=None),
        sink(stored(stalled=STALLED)),
        fires=[late(range(LATE_AT, STALLED.stop))],
    )


def test_one_of_several_sinks_that_knows_of_a_canary_is_enough(rules):
    rules.judge(
        collector(),
        sink(stored()),
        sink(lambda _: NEVER, Pod("sink", 1)),
        sink(stored(stalled=range(600, HOUR)), Pod("sink", 2)),
        sink(stored(seen=range(600)), Pod("sink", 3)),
    )


def test_of_several_periods_the_longest_counts(rules):
    rules.judge(collector(period=30), collector(Pod("collector", 1), period=600), sink(stored(every=600)))


def test_each_late_pipeline_is_an_alert_of_its_own(rules):
    names = [("shop", "orders"), ("shop", "returns"), ("bank", "orders"), ("bank", "payments")]
    newest = [stored(), stored(stalled=STALLED), stored(stalled=STALLED), stored(seen=range(600))]
    pods = [
        collector(Pod("collector", namespace=namespace, pipeline=name))
        + sink(at, Pod("sink", namespace=namespace, pipeline=name))
        for (namespace, name), at in zip(names, newest, strict=True)
    ]
    rules.judge(
        *pods,
        fires=[
            late(range(LATE_AT, STALLED.stop), namespace="shop", pipeline="returns"),
            late(range(LATE_AT, STALLED.stop), namespace="bank", pipeline="orders"),
            late(range(600 + 2 * MINUTE, HOUR), namespace="bank", pipeline="payments"),
        ],
    )


# HoldedEndToEndLatencyHigh

SLOW = range(600, 2400)
SLOW_FOR_TEN_MINUTES = range(600 + 10 * MINUTE, 2700)
LEAVING = range(2600, 2700)
"""The last slow events leave the five minutes; whether with this look or the next depends on Prometheus' version."""


def taking(seconds: float, during: range = SLOW, *, events: int = 100) -> Commits:
    """Events that take long for a while, and 0.3 s else."""
    return lambda now: [(events, seconds if now in during else 0.3)]


def test_fast_events_are_silence_and_so_is_a_slow_one_of_two_hundred(rules):
    rules.judge(latencies(lambda _: [(199, 2.9), (1, 3600)]))


@pytest.mark.parametrize("seconds", [3.1, 4, 2 * HOUR], ids=["a little", "seconds", "beyond the last bucket"])
def test_slow_events_fire_after_ten_minutes_until_five_after_the_last(rules, seconds):
    rules.judge(latencies(taking(seconds)), fires=[slow(SLOW_FOR_TEN_MINUTES)], unasked=LEAVING)


def test_two_slow_events_of_a_hundred_are_enough(rules):
    rules.judge(latencies(lambda _: [(98, 0.3), (2, 4)]), fires=[slow(range(STEP + 10 * MINUTE, HOUR))])


def test_slow_events_of_a_few_minutes_are_silence(rules):
    rules.judge(latencies(taking(60, range(600, 840))))


def test_without_events_there_is_no_latency(rules):
    rules.judge(latencies(lambda _: []))
    rules.judge(
        latencies(lambda now: [(100, 4)] if now in SLOW else []),
        fires=[slow(SLOW_FOR_TEN_MINUTES)],
        unasked=LEAVING,
    )


def test_a_pipeline_without_pods_has_no_latency(rules):
    rules.judge([SINK.exports(END_TO_END, lambda _: None, le="+Inf")])
    rules.judge()


def test_the_sinks_of_a_pipeline_are_judged_together(rules):
    slow_one = latencies(taking(4, events=50), Pod("sink", 1))
    rules.judge(latencies(taking(0.3)), slow_one, fires=[slow(SLOW_FOR_TEN_MINUTES)], unasked=LEAVING)
    hardly_any = latencies(taking(4, events=1), Pod("sink", 1))
    rules.judge(latencies(taking(0.3, events=1000)), hardly_any)


@pytest.mark.parametrize("restart", [600, 1500])
def test_a_sink_that_restarts_is_as_slow_or_as_fast_as_before(rules, restart):
    rules.judge(latencies(taking(0.3), restart=restart))
    rules.judge(latencies(taking(4), restart=restart), fires=[slow(SLOW_FOR_TEN_MINUTES)], unasked=LEAVING)


def test_each_slow_pipeline_is_an_alert_of_its_own(rules):
    rules.judge(
        latencies(taking(4)),
        latencies(taking(0.3), Pod("sink", pipeline="returns")),
        latencies(taking(4), Pod("sink", namespace="bank")),
        fires=[slow(SLOW_FOR_TEN_MINUTES), slow(SLOW_FOR_TEN_MINUTES, namespace="bank")],
        unasked=LEAVING,
    )


def test_the_threshold_is_a_bound_of_the_histogram_where_nothing_is_estimated(rules):
    (threshold,) = (
        float(rule["expr"].rpartition(">")[2])
        for rule in rules.groups[0]["rules"]
        if rule["alert"] == "HoldedEndToEndLatencyHigh"
    )
    assert threshold in [float(bound) for bound in BOUNDS]
    told = re.search(r"bound of the histogram \(([^)]*)\)", (ROOT / "docs" / "guides" / "operating.md").read_text())
    assert told is not None
    assert [float(bound) for bound in told[1].split(", ")] == [float(bound) for bound in BOUNDS[:-2]]


def test_between_two_bounds_the_latency_is_an_estimate(render, tmp_path):
    between = Rules(render("holded-pipeline", "alerts.enabled=true", "alerts.latencyHigh.seconds=4"), tmp_path)
    between.judge(latencies(taking(3.1)), fires=[slow(SLOW_FOR_TEN_MINUTES, above="4")], unasked=LEAVING)


def test_rare_slow_events_are_silence(rules):
    rules.judge(latencies(lambda now: [(1, 60)] if now % (6 * MINUTE) == 0 else []))


def test_a_threshold_that_no_estimate_can_pass_is_refused(render):
    last = round(float(BOUNDS[-2]))
    assert render("holded-pipeline", "alerts.enabled=true", f"alerts.latencyHigh.seconds={last - 1}")
    with pytest.raises(RuntimeError, match="latencyHigh"):
        render("holded-pipeline", "alerts.enabled=true", f"alerts.latencyHigh.seconds={last}")


# What a user sets


def test_times_severities_and_threshold_are_the_users(render, tmp_path):
    mine = {
        "canaryLate": {"for": "5m", "severity": "1"},
        "latencyHigh": {"seconds": 0.5, "for": "20m", "severity": "true"},
    }
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump({"alerts": {"enabled": True, **mine}}))
    rules = Rules(render("holded-pipeline", values=str(values)), tmp_path)
    rules.judge(
        collector(),
        sink(stored(stalled=STALLED)),
        latencies(taking(0.6)),
        fires=[
            late(range(LATE_AT + 3 * MINUTE, STALLED.stop), severity="1"),
            slow(range(600 + 20 * MINUTE, 2700), above="0.5", severity="true"),
        ],
        unasked=LEAVING,
    )
    # The resource's labels are texts: the API server refuses a number or a boolean.
    assert [rule["labels"] for rule in rules.groups[0]["rules"]] == [{"severity": "1"}, {"severity": "true"}]
