"""Oracles that are no disturbed scenario: quiescence, edits against a fresh install, bad input, drift, deletion."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from holded_operator.exceptions import DatabaseUnavailableError, KafkaUnavailableError, RegistryUnavailableError
from holded_operator.gateways.interfaces import Body
from holded_operator.gateways.objects import object_path
from tests.chaos.operator import specs
from tests.chaos.operator.scenarios import running
from tests.support.api_server import ApiServer, RefusedError
from tests.support.operator_fakes import pipeline
from tests.support.trial import Trial, difference, without_history
from tests.support.waiting import wait_for_none, wait_until

ROOT = Path(__file__).parents[3]
REFUSED = [
    entry
    for entry in yaml.safe_load((ROOT / "tests/data/operator/refused.yaml").read_text("utf-8"))
    if not {"from", "name"} & entry.keys()
]
"""Specs that are refused when they are new; those that are refused as an edit are tried by the end-to-end tests."""
MINIMAL: dict[str, Any] = pipeline()["spec"]
DRIFT_SECONDS = 60.0
CHAIN: tuple[dict[str, Any], ...] = (
    {"collector": {"replicas": 2}},
    {"worker": {"replicas": 3, "batch": {"maxEvents": 700}}, "topics": {"silver": {"retention": "2d"}}},
    {"collector": {"replicas": 1, "cors": {"allowedOrigins": ["https://a.example.com"]}}, "suspend": True},
    {"suspend": False, "worker": {"replicas": 1}, "schemas": {"compatibility": "FULL"}},
)
BAD: dict[str, dict[str, Any]] = {
    "a window that silver does not keep": {"worker": {"dedupWindow": "9000d"}},
    "a Secret that does not exist": {"mysql": {"credentialsSecretRef": {"name": "nowhere"}}},
    "a key list that does not exist": {
        "collector": {"authentication": {"mode": "ApiKey", "secretRef": {"name": "nowhere"}}}
    },
    "pods that the API server refuses": {
        "worker": {"podTemplate": {"spec": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}}
    },
}
GOOD: dict[str, dict[str, Any]] = {
    "a window that silver does not keep": {"worker": {"dedupWindow": "24h"}},
    "a Secret that does not exist": {"mysql": {"credentialsSecretRef": {"name": "mysql"}}},
    "a key list that does not exist": {"collector": {"authentication": None}},
    "pods that the API server refuses": {"worker": {"podTemplate": {"spec": {"tolerations": None}}}},
}
ELSEWHERE = {
    "O2": "tests/unit/operator/test_desired_fields.py",
    "O11": "tests/unit/operator/test_reconciler_topics.py",
    "O12": "tests/unit/operator/test_reconciler_deletion.py",
    "O13": "tests/unit/operator/test_reconciler_claims.py",
    "O14": "tests/unit/operator/test_handlers_watches.py",
    "O15": "tests/unit/operator/test_status_document.py",
}
"""Unit tests that hold an oracle, or a part of it."""


def cases(api: ApiServer, case: Callable[..., Any]) -> Iterator[Any]:
    """Yield one case for each check; `case` makes it of row, oracles, name and function."""

    def one(row: str, oracles: tuple[str, ...], run: Callable[[], list[str]]) -> Any:
        return case(row, oracles, row, run)

    yield one("install, then 10 resyncs: no write", ("O5", "O1", "O15"), partial(quiescence, api))
    yield one("4 edits against a fresh install and the render", ("O3", "O1"), partial(chain, api))
    for name in BAD:
        yield one(f"good, then {name}, then good", ("O4", "O10", "O15"), partial(rollback, api, name))
    yield one(f"{len(REFUSED)} bad specs are refused at apply", ("O10", "O13"), partial(refused, api))
    yield one("each owned object edited and deleted, default periods", ("O11",), partial(drift, api))
    yield one("topics and subjects edited and deleted, default periods", ("O11",), partial(drift_outside, api))
    for system in ("kafka", "registry", "database"):
        yield one(f"deletion with {system} down", ("O12", "O15"), partial(deletion_without, api, system))
    yield one("deletion that retains everything", ("O12",), partial(deletion_retains, api))
    yield one("two pipelines of one name in two namespaces", ("O13",), partial(isolation, api))
    for oracle, path in ELSEWHERE.items():
        yield one(f"unit tests {path}", (oracle,), partial(unit_tests, path))


def generated(api: ApiServer, case: Callable[..., Any], *, seed: int, examples: int) -> Iterator[Any]:
    """Yield cases of specs that are drawn from the CRD's schema."""
    drawn = specs.draw(2 * examples, seed)
    pairs = zip(drawn[::2], drawn[1::2], strict=False)
    for number, (first, second) in enumerate(pairs):
        name = f"example {number} of seed {seed}"
        yield case(
            "specs drawn from the CRD's schema: installed, edited to another, spoilt, and back",
            ("O1", "O3", "O4", "O10", "O15"),
            name,
            partial(drawn_pair, api, first, second, seed + number),
        )


def quiescence(api: ApiServer) -> list[str]:
    with Trial(api, "quiescence", resync_seconds=1.0) as trial:
        running(trial)
        trial.rest()
        before, done = trial.read(), len(trial.writes.done)
        trial.proxy.forget()
        wait_until(lambda: trial.looks() >= 10, timeout=60, what="10 resyncs")
        found = [f"O5 wrote {line}" for line in trial.proxy.record.writes() + trial.writes.done[done:]]
        events = [str(call) for _, call, _ in trial.proxy.record.calls if call.is_event]
        found += [f"O5 Event {line}" for line in events]
        found += [f"O5 {line}" for line in difference(before, trial.read())]
        return found + trial.differences_from_render() + [f"O15 {line}" for line in trial.hygiene()]


def chain(api: ApiServer) -> list[str]:
    with Trial(api, "chain") as edited, Trial(api, "fresh") as fresh:
        running(edited)
        for change in CHAIN:
            edited.edit(**change)
            edited.settle()
        body = edited.read()
        assert body is not None
        fresh.create(**body["spec"])
        fresh.operator.start()
        fresh.settle()
        return _same(edited, fresh) + edited.differences_from_render() + fresh.differences_from_render()


def rollback(api: ApiServer, name: str) -> list[str]:
    with Trial(api, name) as trial:
        running(trial)
        good, pods = trial.rest(), _pod_uids(trial)
        trial.edit(**BAD[name])
        wait_until(lambda: trial.condition().get("status") == "False", timeout=40, what=f"{name} is told")
        message = trial.condition()["message"]
        found = [] if "spec." in message or "was refused" in message else [f"O10 names no field: {message}"]
        trial.rest()
        if _pod_uids(trial) != pods:
            found.append("O10 running pods were touched")
        trial.edit(**GOOD[name])
        trial.settle()
        return found + trial.differences(good, timeout=30) + [f"O15 {line}" for line in trial.hygiene()]


def refused(api: ApiServer) -> list[str]:
    found = []
    with Trial(api, "refused") as trial:
        for entry in REFUSED:
            try:
                trial.create(**_merged(MINIMAL, entry["set"]))
            except RefusedError as error:
                if entry["says"] not in str(error):
                    found.append(f"O10 {entry['case']}: {error}")
            else:
                found.append(f"O10 {entry['case']} was taken")
                trial.delete()
    return found


def drift(api: ApiServer) -> list[str]:
    spec: dict[str, Any] = {
        "worker": {"replicas": 2},
        "collector": {"autoscaling": {"minReplicas": 1, "maxReplicas": 2}},
    }
    with Trial(api, "drift", resync_seconds=30.0, progress_seconds=3.0) as trial:
        trial.create(**spec)
        trial.operator.start()
        trial.settle()
        good = without_history(trial.rest())
        found = []
        for act in (_edit_all, _delete_all):
            act(trial)
            found += trial.differences(good, timeout=DRIFT_SECONDS)
        return [f"O11 {line}" for line in found]


def drift_outside(api: ApiServer) -> list[str]:
    with Trial(api, "drift outside", resync_seconds=30.0, progress_seconds=3.0) as trial:
        running(trial)
        good = trial.rest()
        raw = trial.kafka.topics["events.raw"]
        config = dict(raw.config) | {"retention.ms": "1", "max.message.bytes": "17"}
        trial.kafka.topics["events.raw"] = replace(raw, config=config, overrides=frozenset(config))
        del trial.kafka.topics["events.ledger"]
        trial.registry.levels["events.silver-value"] = "NONE"
        trial.registry.subjects.pop("events.raw-value")
        return [f"O11 {line}" for line in trial.differences(good, timeout=DRIFT_SECONDS)]


def deletion_without(api: ApiServer, system: str) -> list[str]:
    errors = {
        "kafka": KafkaUnavailableError("kafka:9092", "away"),
        "registry": RegistryUnavailableError("http://registry", "away"),
        "database": DatabaseUnavailableError("mysql:3306", "away"),
    }
    with Trial(api, f"deletion without {system}") as trial:
        running(trial)
        getattr(trial, system).error = errors[system]
        trial.delete()
        trial.gone()
        events = api.objects("events.k8s.io/v1", "events", trial.namespace)
        told = any(event["reason"] == "LeftBehind" for event in events)
        left = {"kafka": bool(trial.kafka.topics), "registry": bool(trial.registry.subjects)}
        left["database"] = trial.database.applied is not None
        found = [] if told else ["O12 no Event says what was left behind"]
        found += [f"O12 {name}: left behind {there}" for name, there in left.items() if there != (name == system)]
        return found + [f"O15 {line}" for line in trial.hygiene()]


def deletion_retains(api: ApiServer) -> list[str]:
    with Trial(api, "deletion that retains") as trial:
        trial.create()
        trial.operator.start()
        trial.settle()
        topics, subjects = set(trial.kafka.topics), set(trial.registry.subjects)
        trial.delete()
        trial.gone()
        kept = (set(trial.kafka.topics), set(trial.registry.subjects), bool(trial.database.applied))
        return [] if kept == (topics, subjects, True) else [f"O12 kept only {kept}"]


def isolation(api: ApiServer) -> list[str]:
    with Trial(api, "one") as one, Trial(api, "other") as other:
        running(one)
        running(other)
        one.rest()
        other.rest()
        before = other.api.owned(other.namespace)
        shared = {item["metadata"]["uid"] for item in one.api.owned(one.namespace)} & {
            item["metadata"]["uid"] for item in before
        }
        written = [line for line in one.proxy.record.writes() if other.namespace in line]
        one.delete()
        one.gone()
        other.rest()
        found = [f"O13 shared {uid}" for uid in shared] + [f"O13 {line}" for line in written]
        return found + [f"O13 {line}" for line in difference(_by_name(before), _by_name(api.owned(other.namespace)))]


def drawn_pair(api: ApiServer, first: dict[str, Any], second: dict[str, Any], number: int) -> list[str]:
    with Trial(api, f"drawn {number}") as trial:
        trial.operator.start()
        found: list[str] = []
        if not _take(trial.create, first, found):
            return found
        found += _settled(trial)
        good = without_history(trial.state())
        path, bad = specs.spoilt(first, number)
        try:
            trial.replace(**bad)
            found.append(f"O10 {path} was taken with a wrong value")
        except RefusedError as error:
            if path.rpartition(".")[0] not in str(error):
                found.append(f"O10 {path} is not named: {error}")
        if _take(trial.replace, second, found):
            found += _settled(trial)
            with Trial(api, f"fresh {number}") as fresh:
                fresh.create(**second)
                fresh.operator.start()
                found += _settled(fresh)
                if trial.condition().get("status") == "True" and fresh.condition().get("status") == "True":
                    found += [line for line in _same(trial, fresh) if "/topics/" not in line]
        elif (now := without_history(trial.state())) != good:
            found += [f"O10 after a refusal: {line}" for line in difference(now, good)]
        return found + [f"O15 {line}" for line in trial.hygiene()]


def unit_tests(path: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return [] if done.returncode == 0 else [done.stdout[-1500:]]


# -- pieces -----------------------------------------------------------------------------------------------------------


def _take(act: Callable[..., None], spec: dict[str, Any], found: list[str]) -> bool:
    """Send a spec; False when it was refused, which must name a field."""
    try:
        act(**spec)
    except RefusedError as error:
        if "spec." not in str(error):
            found.append(f"O10 a refusal names no field: {error}")
        return False
    return True


def _settled(trial: Trial) -> list[str]:
    """Wait for Ready, or for a reason that names a field (O1, O10); what is Ready must be as rendered (O3)."""

    def told() -> bool:
        trial.keep_running()
        ready = trial.condition()
        good = ready.get("status") == "True" or ready.get("reason") in {"Suspended", "InvalidSpec"}
        if good or "spec." in ready.get("message", "") or "was refused" in ready.get("message", ""):
            return True
        raise AssertionError(str(ready))

    try:
        wait_until(told, timeout=60, interval=0.3, what="Ready, or a reason that names a field")
    except AssertionError as error:
        return [f"O1 {error}"]
    return [f"O3 {line}" for line in trial.differences_from_render()] if trial.condition()["status"] == "True" else []


def _same(one: Trial, other: Trial) -> list[str]:
    """Wait until two trials are in the same state; return how they differ."""

    def found() -> list[str]:
        return difference(without_history(one.state()), without_history(other.state()))

    return [f"O3 {line}" for line in wait_for_none(found, timeout=40)]


def _edit_all(trial: Trial) -> None:
    changes: dict[str, Any] = {
        "ConfigMap": {"data": {"HOLDED_KAFKA__BOOTSTRAP_SERVERS": "elsewhere:9092"}},
        "Service": {"spec": {"selector": {"app.kubernetes.io/instance": "elsewhere"}}},
        "Deployment": {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}},
        "StatefulSet": {"spec": {"replicas": 0}},
        "HorizontalPodAutoscaler": {"spec": {"maxReplicas": 9}},
        "PodDisruptionBudget": {"spec": {"maxUnavailable": 7}},
        "NetworkPolicy": {"spec": {"policyTypes": ["Egress"]}},
    }
    for item in trial.api.owned(trial.namespace):
        # The operator may repair one while we edit the next: gone, or changed meanwhile.
        with contextlib.suppress(RefusedError):
            trial.api.patch(object_path(item), changes[item["kind"]])


def _delete_all(trial: Trial) -> None:
    for item in trial.api.owned(trial.namespace):
        with contextlib.suppress(RefusedError):
            trial.api.request("DELETE", object_path(item))


def _pod_uids(trial: Trial) -> set[str]:
    return {pod["metadata"]["uid"] for pod in trial.api.objects("v1", "pods", trial.namespace)}


def _merged(spec: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    laid = {
        key: _merged(spec.get(key) or {}, value) if isinstance(value, dict) else value for key, value in changes.items()
    }
    return spec | laid


def _by_name(items: list[Body]) -> dict[str, Any]:
    return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["uid"] for item in items}
