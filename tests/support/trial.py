"""One pipeline, one operator, one namespace of a real API server, with a proxy between that can fail: one trial.

A trial ends in a state without what differs from one run to the next (uids, times, addresses, the namespace's name), so
two trials can be compared: with a fault and without it, by one way and by another.
"""

import itertools
import json
import os
import re
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Self

import yaml

from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.constants import FIELD_MANAGER, LABEL_COMPONENT, LABEL_MANAGED_BY, PLURAL
from holded_operator.desired import Images, render
from holded_operator.gateways.interfaces import Body
from holded_operator.gateways.objects import content, pipeline_path
from holded_operator.steps.credentials import Secrets
from tests.support.api_server import NO_NODE, ApiServer
from tests.support.fake_systems import FakeDatabase, FakeKafka, FakeRegistry
from tests.support.fault_proxy import FaultProxy
from tests.support.operator_fakes import pipeline
from tests.support.operator_process import DeadlyWrites, OperatorProcess
from tests.support.waiting import wait_for_none, wait_until

NAME = "demo"
PASSWORD = "correct-horse-battery-staple"
"""Stands in the Secret and must stand nowhere else."""
IMAGES = {"image_collector": "c:1", "image_worker": "w:1", "image_sink": "s:1"}
QUICK = {"resync_seconds": 2.0, "progress_seconds": 0.3, "finalize_seconds": 3.0, "drain_seconds": 20.0}
"""Periods of the operator in most trials, shorter than in production so that hundreds of them fit into minutes."""
REST_SECONDS = 5.0
"""A state that stays the same for so long, two resyncs, is an end state."""
OUTSIDE_STATE = {"uid", "lastTransitionTime", "at", "clusterIP", "clusterIPs", "nodePort", "observedGeneration"}
_CHECKSUM = re.compile(r'("holded\.dev/config-checksum": )"[0-9a-f]+"')

STRICT = {"fieldValidation": "Strict"}
"""What kubectl asks for: unknown fields are refused instead of dropped."""

_numbers = itertools.count(1)


class Trial:
    """To be used as a context; the operator is started by the caller."""

    def __init__(self, api: ApiServer, label: str = "trial", **config: Any) -> None:
        self.api = api
        self.namespace = f"faults-{os.getpid()}-{next(_numbers)}"
        self.writes = DeadlyWrites()
        self.kafka, self.registry = FakeKafka(self.writes), FakeRegistry(self.writes)
        self.database = FakeDatabase(self.writes)
        self.proxy = FaultProxy(api.server, api.tls, self.writes)
        self.label = label
        self._folder = tempfile.TemporaryDirectory()
        self.log = Path(self._folder.name, "operator.log")
        self._config = {**QUICK, **IMAGES, "watch_namespaces": (self.namespace,), "probes_port": 0, **config}
        self.restarts = 0

    def __enter__(self) -> Self:
        self.api.create_namespace(self.namespace)
        self.api.create_secret(self.namespace, "mysql", username="holded", password=PASSWORD)
        self.proxy.__enter__()
        kubeconfig = Path(self._folder.name, "kubeconfig")
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{self.proxy.port}")))
        systems = {"kafka": self.kafka, "registry": self.registry, "database": self.database}
        self.operator = OperatorProcess(kubeconfig, self.log, systems, **self._config)
        self.writes.kill = self.operator.kill
        self.log.touch()
        return self

    def __exit__(self, *_: object) -> None:
        self.operator.close()
        self.proxy.__exit__()
        body = self.read()
        if body is not None:
            self.api.patch(self._path, {"metadata": {"finalizers": None}})
        self.api.delete_namespace(self.namespace)
        self._folder.cleanup()

    # -- what users do ------------------------------------------------------------------------------------------------

    def create(self, **spec: Any) -> None:
        body = pipeline(NAME, **_off_the_nodes(spec))
        body["metadata"]["namespace"] = self.namespace
        self.api.request("POST", pipeline_path(self.namespace, None), json=body, params=STRICT)

    def edit(self, **spec: Any) -> None:
        """Merge a change into the spec; RefusedError when the API server does not take it."""
        self.api.patch(self._path, {"spec": spec})

    def replace(self, **spec: Any) -> None:
        """Put another spec in the place of the present one; RefusedError when the API server does not take it."""
        body = pipeline(NAME, **_off_the_nodes(spec))
        live = self.read()
        assert live is not None
        body["metadata"] = {key: live["metadata"].get(key) for key in ("name", "namespace", "resourceVersion")} | {
            "finalizers": live["metadata"].get("finalizers")
        }
        self.api.request("PUT", self._path, json=body, params=STRICT)

    def delete(self) -> None:
        self.api.request("DELETE", self._path)

    # -- what can be seen ---------------------------------------------------------------------------------------------

    @property
    def _path(self) -> str:
        return pipeline_path(self.namespace, NAME)

    def read(self) -> Body | None:
        return self.api.find(self._path)

    def condition(self, kind: str = "Ready") -> dict[str, Any]:
        """Return a condition of the newest generation, empty while there is none."""
        body = self.read() or {}
        status = body.get("status") or {}
        if not body or status.get("observedGeneration") != body["metadata"]["generation"]:
            return {}
        return next((entry for entry in status["conditions"] if entry["type"] == kind), {})

    def keep_running(self) -> None:
        """Start the operator when it is dead, as the kubelet would."""
        if not self.operator.alive:
            self.operator.start()
            self.restarts += 1

    def watched(self) -> None:
        """Wait until the operator watches pipelines, having listed none."""
        wait_until(
            lambda: any(call.is_watch and call.plural == PLURAL for _, call, _ in self.proxy.record.calls),
            timeout=60,
            what="the operator watches",
        )

    def settle(self, *, timeout: float = 150.0) -> None:
        """Wait until the newest spec is Ready, suspended or refused."""

        def settled() -> bool:
            self.keep_running()
            ready = self.condition()
            if ready.get("status") == "True" or ready.get("reason") in {"Suspended", "InvalidSpec"}:
                return True
            raise AssertionError(str(ready or self.read()))

        wait_until(settled, timeout=timeout, interval=0.2, what=f"{self.label}: the pipeline settles")

    def gone(self, *, timeout: float = 150.0) -> None:
        """Wait until the resource is deleted, and everything that it owned."""

        def gone() -> bool:
            self.keep_running()
            return self.read() is None and not self.api.owned(self.namespace)

        wait_until(gone, timeout=timeout, interval=0.2, what=f"{self.label}: the pipeline is gone")

    def state(self) -> dict[str, Any]:
        """Return the end state; equal for equal pipelines."""
        owned, body = self.api.owned(self.namespace), self.read()
        seen = {
            "objects": {f"{item['kind']}/{item['metadata']['name']}": _object(item) for item in owned},
            "revisions": self._revisions(),
            "pods": self._pods(),
            "topics": {name: _plain(topic) for name, topic in sorted(self.kafka.topics.items())},
            "subjects": dict(sorted(self.registry.subjects.items())),
            "levels": dict(sorted(self.registry.levels.items())),
            "migrations": self.database.applied,
            "pipeline": None
            if body is None
            else {
                "spec": body["spec"],
                "finalizers": body["metadata"].get("finalizers"),
                "status": _without(body.get("status") or {}),
            },
        }
        text = json.dumps(seen, sort_keys=True).replace(self.namespace, "NAMESPACE")
        found: dict[str, Any] = json.loads(_CHECKSUM.sub(r'\1"..."', text))
        return found

    def rest(self, *, timeout: float = 60.0) -> dict[str, Any]:
        """Wait until the state stays the same; return it."""
        state, since = self.state(), time.monotonic()

        def rested() -> bool:
            nonlocal state, since
            now = self.state()
            if now != state:
                state, since = now, time.monotonic()
            return time.monotonic() - since >= REST_SECONDS

        wait_until(rested, timeout=timeout, interval=0.5, what=f"{self.label}: the state stays the same")
        return state

    def differences(self, expected: dict[str, Any], *, timeout: float) -> list[str]:
        """Wait until the state is as expected, as far as that goes; return what still differs."""

        def found() -> list[str]:
            self.keep_running()
            return difference({key: value for key, value in self.state().items() if key in expected}, expected)

        return wait_for_none(found, timeout=timeout)

    def rendered(self) -> dict[str, Body]:
        """Return what the pure function makes of the resource as it is, by kind and name."""
        body = self.read()
        assert body is not None
        found = HoldedPipeline.from_body(body)
        values = {"username": b"holded", "password": PASSWORD.encode()}
        checksums = Secrets(_OneSecret(values), self.namespace).checksums(["mysql"])
        state = render(found, images=Images(collector="c:1", worker="w:1", sink="s:1"), secret_checksums=checksums)
        return {f"{item['kind']}/{item['metadata']['name']}": item for item in state.objects}

    def differences_from_render(self) -> list[str]:
        """Return the objects that are not as the pure function has them."""
        live = {f"{item['kind']}/{item['metadata']['name']}": item for item in self.api.owned(self.namespace)}
        wanted = {key: item for key, item in self.rendered().items() if item["kind"] != "PodMonitor"}
        found = [f"{key}: only {'live' if key in live else 'rendered'}" for key in live.keys() ^ wanted.keys()]
        return found + [
            f"{key} {where}" for key in live.keys() & wanted.keys() for where in _misses(live[key], wanted[key])
        ]

    def hygiene(self) -> list[str]:
        """Return what is wrong with status, Events and log (O15)."""
        found = []
        body = self.read() or {}
        events = self.api.objects("events.k8s.io/v1", "events", self.namespace)
        texts = {"status": json.dumps(body.get("status")), "Events": json.dumps(events), "log": self.log.read_text()}
        found += [f"the password stands in the {where}" for where, text in texts.items() if PASSWORD in text]
        if "a fault of the operator itself" in texts["log"] or "Traceback" in texts["log"]:
            found.append("a traceback stands in the log: " + _traceback(texts["log"]))
        for entry in (body.get("status") or {}).get("conditions", ()):
            missing = {"type", "status", "reason", "message", "lastTransitionTime", "observedGeneration"} - entry.keys()
            well = entry["status"] in {"True", "False", "Unknown"} and re.fullmatch(r"[A-Z]\w*", entry["reason"])
            if missing or not well:
                found.append(f"malformed condition {entry}")
        return found

    def looks(self) -> int:
        """Return how often the operator has looked at pipelines since the proxy's record began: passes and resyncs."""
        return sum(
            call.method == "GET" and call.plural == PLURAL and not call.is_watch
            for _, call, _ in self.proxy.record.calls
        )

    def _revisions(self) -> dict[str, int]:
        """Return how many pod templates each workload has had."""
        sets = self.api.objects("apps/v1", "replicasets", self.namespace)
        kept = self.api.objects("apps/v1", "controllerrevisions", self.namespace)
        return dict(Counter(item["metadata"]["ownerReferences"][0]["name"] for item in [*sets, *kept]))

    def _pods(self) -> dict[str, int]:
        pods = self.api.objects("v1", "pods", self.namespace, f"{LABEL_MANAGED_BY}={FIELD_MANAGER}")
        return dict(Counter(pod["metadata"]["labels"][LABEL_COMPONENT] for pod in pods))


class _OneSecret:
    def __init__(self, values: dict[str, bytes]) -> None:
        self._values = values

    def read_secret(self, namespace: str, name: str) -> dict[str, bytes]:
        return self._values


def without_history(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state without what tells by which way it was reached."""
    return {key: value for key, value in state.items() if key != "revisions"}


def difference(one: Any, other: Any, path: str = "") -> list[str]:
    """Return where two states differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [line for key in keys for line in difference(one.get(key), other.get(key), f"{path}/{key}")]
    return [] if one == other else [f"{path}: {json.dumps(one)[:160]} is not {json.dumps(other)[:160]}"]


def _off_the_nodes(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the spec with pods that no node takes."""
    found = json.loads(json.dumps(spec))
    for part in ("collector", "worker", "sink"):
        pod = found.setdefault(part, {}).setdefault("podTemplate", {}).setdefault("spec", {})
        pod["nodeSelector"] = {**pod.get("nodeSelector", {}), **NO_NODE}
    result: dict[str, Any] = found
    return result


def _object(item: Body) -> Any:
    plain = content(item)
    plain["metadata"].get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    if not plain["metadata"].get("annotations", True):
        del plain["metadata"]["annotations"]
    return _without(plain)


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(entry) for key, entry in value.items() if key not in OUTSIDE_STATE}
    return [_without(entry) for entry in value] if isinstance(value, list) else value


def _plain(topic: Any) -> dict[str, Any]:
    return {**vars(topic), "config": dict(topic.config), "overrides": sorted(topic.overrides)}


def _misses(live: Any, wanted: Any, path: str = "") -> list[str]:
    """Return where a live object has not what was rendered; what the server adds is its own."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return [line for key, value in wanted.items() for line in _misses(live.get(key), value, f"{path}.{key}")]
    if isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        pairs = zip(live, wanted, strict=True)
        return [line for at, (one, other) in enumerate(pairs) for line in _misses(one, other, f"{path}[{at}]")]
    empty = wanted in ({}, [], None) and not live
    return [] if live == wanted or empty else [f"{path}: {live!r} is not {wanted!r}"]


def _traceback(log: str) -> str:
    lines = [line for line in log.splitlines() if "Traceback" in line or "a fault of the operator" in line]
    return lines[0][-600:]


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "proxy", "user": {}}],
    }
