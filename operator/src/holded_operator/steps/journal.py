"""What a pass tells: Events for what it changed, and for conditions that turned bad."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from holded_operator.gateways.interfaces import Body, KubernetesGateway
from holded_operator.status import READY

QUIET_REASONS = frozenset(
    {"RollingOut", "WaitingForPrerequisites", "Suspended", "Pending", "ObjectTerminating", "SwitchingRunner"}
)
"""Reasons of a False condition that are the normal way to a good one; they deserve no Warning."""

_log = logging.getLogger("holded_operator.reconcile")


class Journal:
    """Events of one pass over one resource."""

    def __init__(self, kubernetes: KubernetesGateway, pipeline: Body) -> None:
        self._kubernetes = kubernetes
        self._pipeline = pipeline
        self.changes = 0
        """Steps of this pass that changed something."""

    def changed(self, reason: str, message: str) -> None:
        """Tell a step that changed something; to be called right after it, so that a crash does not hide it."""
        self.changes += 1
        _log.info("%s: %s", reason, message)
        self._kubernetes.emit(self._pipeline, kind="Normal", reason=reason, message=message)

    def warn(self, reason: str, message: str) -> None:
        """Tell what went wrong without being a condition."""
        _log.warning("%s: %s", reason, message)
        self._kubernetes.emit(self._pipeline, kind="Warning", reason=reason, message=message)

    def transitions(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Tell the conditions that turned False or found a new reason for it, and that Ready has become True."""
        self._flink_job(before.get("flink") or {}, after.get("flink") or {})
        old = {entry["type"]: entry for entry in _conditions(before)}
        for entry in _conditions(after):
            was = old.get(entry["type"], {})
            if entry["type"] == READY:
                if entry["status"] == "True" and was.get("status") != "True":
                    self._kubernetes.emit(self._pipeline, kind="Normal", reason="Ready", message=entry["message"])
                elif entry["reason"] == "InvalidSpec" and was.get("message") != entry["message"]:
                    self.warn(entry["reason"], entry["message"])
            elif _turned_bad(was, entry):
                self.warn(entry["reason"], f"{entry['type']}: {entry['message']}")

    def _flink_job(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        job = after.get("jobId")
        if job is not None and job != before.get("jobId"):
            start = after.get("restoredFrom") or "the committed offsets"
            message = f"Flink's job {job} starts from {start}"
            self._kubernetes.emit(self._pipeline, kind="Normal", reason="FlinkJobStarted", message=message)
        elif job is not None and after["restarts"] > before["restarts"]:
            self.warn("FlinkJobRestarted", f"Flink has restarted job {job}, {after['restarts']} times so far")


def _turned_bad(was: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    bad = entry["status"] == "False" and entry["reason"] not in QUIET_REASONS
    if entry["reason"] in {"PodsNotReady", "FlinkJobNotRunning", "PartitionRunwayShort"}:
        # Pods that start are not ready either, and a new database has no partitions; only losing readiness is news.
        return was.get("status") == "True"
    return bad and (was.get("status") != "False" or was.get("reason") != entry["reason"])


def _conditions(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return status.get("conditions") or ()
