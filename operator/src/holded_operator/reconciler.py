"""One pass over one HoldedPipeline, from what is there to what shall be.

Level-triggered: a pass reads the resource as it is now and knows nothing of the event that started it, so events may be
lost, doubled or late, and a pass that was killed anywhere is simply followed by another. Passes over the same resource
must not run at the same time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from enum import StrEnum
from functools import partial
from typing import Any

from pydantic import ValidationError

from holded_operator.api.v1alpha1 import HoldedPipeline, Metadata, SubjectStatus
from holded_operator.constants import FINALIZER
from holded_operator.context import Context
from holded_operator.desired import Component, DesiredState, deletion_plan, desired_replicas, referenced_secrets, render
from holded_operator.exceptions import IncompatibleSchemaError, OperatorError
from holded_operator.gateways.interfaces import Body
from holded_operator.passes import PREREQUISITES, Converged, Pass
from holded_operator.status import (
    DATABASE_READY,
    SCHEMAS_READY,
    SINK_READY,
    TOPICS_READY,
    Facts,
    build_status,
    canary_stands,
    invalid_status,
)
from holded_operator.steps import finalize, workloads
from holded_operator.steps.census import Census
from holded_operator.steps.claims import Claims
from holded_operator.steps.credentials import Secrets, database_access, kafka_access, registry_access
from holded_operator.steps.flink import observe_job, with_job
from holded_operator.steps.flow import Flow, observe_flow
from holded_operator.steps.journal import Journal
from holded_operator.steps.runway import with_runway
from holded_operator.steps.schemas import ensure_subjects
from holded_operator.steps.topics import ensure_topics, replication_differences, topic_status
from holded_operator.validation import Problems, problems_of, read

UP_TO_DATE = "UpToDate"
CENSUS_AGE = 2 / 3
"""Resync periods that a census serves."""


class Verdict(StrEnum):
    """What the next pass depends on."""

    GONE = "gone"
    """The resource does not exist: there is no next pass."""
    INVALID = "invalid"
    """The spec was refused: only an edit helps."""
    CONVERGED = "converged"
    """Everything is as it shall be."""
    PROGRESSING = "progressing"
    """Nothing failed, something is still on its way."""
    FAILING = "failing"
    """A step failed; it is tried again."""


@dataclass(frozen=True)
class Outcome:
    """How a pass ended."""

    verdict: Verdict
    generation: int | None = None
    """Generation of the resource that was read."""
    errors: tuple[OperatorError, ...] = ()
    """What failed in it; each is in a condition, too."""


class Reconciler:
    """Reconciles resources one at a time each. Safe for different resources in different threads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._deletions: dict[str, finalize.Deletion] = {}
        self._scaled_at: dict[str, float] = {}
        self._converged: dict[tuple[str, str], Converged] = {}
        self._claims = Claims(lambda: context.kubernetes.read_pipelines(context.config.watch_namespaces))
        self._census = Census(
            context.kubernetes,
            context.config.watch_namespaces,
            max_age_seconds=context.config.resync_seconds * CENSUS_AGE,
            clock=context.clock,
        )

    def reconcile(self, namespace: str, name: str) -> Outcome:
        """Bring one pipeline closer to its spec.

        Raises
        ------
        OperatorError
            If the API server does not let us read the resource or write its status; all else is in the status.
        """
        self._converged.pop((namespace, name), None)
        body = self._context.kubernetes.get_pipeline(namespace, name)
        if body is None:
            self._claims.forget(namespace, name)
            return Outcome(Verdict.GONE)
        self._claims.learn(body)
        if body["metadata"].get("deletionTimestamp") is not None:
            return self._finalize(body)
        pipeline = read(body)
        if isinstance(pipeline, Problems):
            return self._refuse(body, pipeline)
        claimed = self._claim(body)
        if claimed is None:
            return Outcome(Verdict.GONE)
        return self._converge(claimed, pipeline)

    def resync(self, namespace: str, name: str) -> Outcome:
        """Look after a pipeline of which nothing was heard since its last pass.

        While Kubernetes has the versions with which it converged, only what is outside Kubernetes is looked at; that
        ends in the same state as a whole pass, which is what follows in every other case.
        """
        before = self._converged.get((namespace, name))
        if before is not None and self._census.versions(str(before.work.pipeline.metadata.uid)) == before.versions:
            self._claims.learn(before.work.body)
            outcome = self._look_outside(before)
            if outcome is not None:
                return outcome
        return self.reconcile(namespace, name)

    def _look_outside(self, converged: Converged) -> Outcome | None:
        """Return None when it takes a whole pass."""
        before = converged.work
        secrets = Secrets(self._census, before.pipeline.metadata.namespace)
        if secrets.checksums(before.secret_names) != before.checksums:
            return None
        journal = Journal(self._context.kubernetes, before.body)
        work = replace(before, secrets=secrets, journal=journal, parts=[], errors=[])
        self._prerequisites(work)
        if work.unmet or journal.changes:
            return None
        work.parts += [part for part in before.parts if part.type not in PREREQUISITES]
        self._runway(work)
        flow = self._flow(work)
        if converged.tells(work, flow) and canary_stands(work.pipeline, work.body, flow.canary, self._context.now()):
            return Outcome(Verdict.CONVERGED, work.pipeline.metadata.generation)
        return self._report(work, flow)

    def _converge(self, body: Body, pipeline: HoldedPipeline) -> Outcome:
        secrets = Secrets(self._context.kubernetes, pipeline.metadata.namespace)
        names = referenced_secrets(pipeline)
        checksums = secrets.checksums(names)
        work = Pass(
            body=body,
            pipeline=pipeline,
            desired=self._render(pipeline, checksums),
            secrets=secrets,
            secret_names=names,
            checksums=checksums,
            journal=Journal(self._context.kubernetes, body),
        )
        self._prerequisites(work)
        flow = self._flow(work)
        children = workloads.Children(tuple(self._context.kubernetes.list_children(body)))
        work.children = children.versions
        self._autoscale(work, children, flow)
        self._workloads(work, children)
        work.parts = [with_job(part, flow.flink) for part in work.parts]
        self._runway(work)
        return self._report(work, flow)

    def _prerequisites(self, work: Pass) -> None:
        """See to everything outside Kubernetes."""
        work.attempt(TOPICS_READY, lambda: self._topics(work))
        work.attempt(SCHEMAS_READY, lambda: self._schemas(work))
        # A release whose schemas do not fit changes nothing at all: its migrations wait, too.
        if not any(isinstance(error, IncompatibleSchemaError) for error in work.errors):
            work.attempt(DATABASE_READY, lambda: self._database(work))

    # -- before the steps ---------------------------------------------------------------------------------------------

    def _refuse(self, body: Body, problems: Problems) -> Outcome:
        """Say what is wrong with the spec and touch nothing."""
        metadata = Metadata.model_validate(body["metadata"])
        status = invalid_status(metadata, body.get("status") or {}, problems, now=self._context.now())
        self._write_status(body, status, Journal(self._context.kubernetes, body))
        return Outcome(Verdict.INVALID, metadata.generation)

    def _claim(self, body: Body) -> Body | None:
        """Put our finalizer on before anything is made outside Kubernetes."""
        finalizers = body["metadata"].get("finalizers") or []
        if FINALIZER in finalizers:
            return body
        return self._context.kubernetes.set_finalizers(body, [*finalizers, FINALIZER])

    def _render(
        self, pipeline: HoldedPipeline, checksums: Mapping[str, str], *, worker_replicas: int | None = None
    ) -> DesiredState:
        return render(
            pipeline, images=self._context.images, secret_checksums=checksums, worker_replicas=worker_replicas
        )

    # -- the steps ----------------------------------------------------------------------------------------------------

    def _topics(self, work: Pass) -> tuple[str, str]:
        if not _settled(work.body):
            self._claims.refresh()
        # Also when settled: an older pipeline may have moved here since, of which its own pass has told.
        check = partial(self._claims.check, work.pipeline, work.body, work.desired.topics)
        check()
        work.kafka = kafka_access(work.pipeline, work.secrets)
        work.topics = ensure_topics(self._context.kafka, work.kafka, work.desired.topics, work.journal, vet=check)
        differences = replication_differences(work.desired.topics, work.topics)
        if differences:
            return differences[0].reason, "; ".join(str(difference) for difference in differences)
        return UP_TO_DATE, f"{len(work.desired.topics)} topics are up to date"

    def _schemas(self, work: Pass) -> tuple[str, str]:
        access = registry_access(work.pipeline, work.secrets)
        work.subjects = ensure_subjects(self._context.registry, access, work.desired.subjects, work.journal)
        return UP_TO_DATE, f"{len(work.desired.subjects)} subjects are up to date"

    def _database(self, work: Pass) -> tuple[str, str]:
        access = database_access(work.pipeline, work.secrets)
        applied = self._context.database.migrate(access)
        if applied:
            work.journal.changed("MigrationsApplied", f"Applied to database {access.database}: {', '.join(applied)}")
        work.database = access
        return UP_TO_DATE, f"database {access.database} is migrated"

    def _flow(self, work: Pass) -> Flow:
        flow = observe_flow(
            work.pipeline,
            work.topics,
            kafka=self._context.kafka,
            kafka_access=work.kafka,
            database=self._context.database,
            database_access=work.database,
        )
        return replace(flow, flink=observe_job(work.pipeline, self._context.flink))

    def _autoscale(self, work: Pass, children: workloads.Children, flow: Flow) -> None:
        """Render anew with as many workers as the lag asks for."""
        autoscaling = work.pipeline.spec.worker.autoscaling
        if autoscaling is None or work.pipeline.spec.suspend:
            return
        uid, clock = str(work.pipeline.metadata.uid), self._context.clock
        current = children.replicas(Component.WORKER)
        replicas = desired_replicas(
            autoscaling,
            current=autoscaling.min_replicas if current is None else current,
            lag=flow.lag,
            partitions=work.pipeline.spec.topics.raw.partitions,
            seconds_since_change=clock() - self._scaled_at.setdefault(uid, clock()),
        )
        if replicas != current:
            self._scaled_at[uid] = clock()
        work.desired = self._render(work.pipeline, work.checksums, worker_replicas=replicas)

    def _workloads(self, work: Pass, children: workloads.Children) -> None:
        """Apply the owned objects if all before them is well; report the pods' real state in either case."""
        kubernetes, unmet = self._context.kubernetes, work.unmet
        rollout = workloads.Rollout(workloads={}, failures={})
        if not unmet:
            rollout = workloads.apply_components(
                kubernetes,
                work.body,
                pipeline=work.pipeline,
                desired=work.desired,
                children=children,
                secrets=work.secrets,
                journal=work.journal,
            )
            work.errors.extend(rollout.failures.values())
        worker = rollout.workloads.get(Component.WORKER) or children.workload(Component.WORKER)
        work.worker_pods = 0 if worker is None else int((worker.get("status") or {}).get("replicas") or 0)
        suspended = work.pipeline.spec.suspend
        work.parts += workloads.results(
            kubernetes, work.body, work.desired, children, rollout, suspended=suspended, waiting_for=unmet
        )

    def _runway(self, work: Pass) -> None:
        """Let the sink's condition mind the day partitions that it is to make."""
        database, today = self._context.database, self._context.now().astimezone(UTC).date()
        work.parts = [
            with_runway(part, database=database, access=work.database, today=today) if part.type == SINK_READY else part
            for part in work.parts
        ]

    # -- after the steps ----------------------------------------------------------------------------------------------

    def _report(self, work: Pass, flow: Flow) -> Outcome:
        previous = work.body.get("status") or {}
        status = build_status(
            work.pipeline, previous, work.parts, now=self._context.now(), facts=self._facts(work, flow)
        )
        body = self._write_status(work.body, status, work.journal)
        if work.errors:
            verdict = Verdict.FAILING
        elif all(part.ok or part.reason == "Suspended" for part in work.parts) and not work.journal.changes:
            verdict = Verdict.CONVERGED
            self._remember(work, flow, body)
        else:
            verdict = Verdict.PROGRESSING
        return Outcome(verdict, work.pipeline.metadata.generation, tuple(work.errors))

    def _facts(self, work: Pass, flow: Flow) -> Facts:
        topics = [topic_status(work.topics[spec.name]) for spec in work.desired.topics if spec.name in work.topics]
        subjects = [
            SubjectStatus(name=name, id=schema.schema_id, version=schema.version)
            for name, schema in work.subjects.items()
        ]
        return Facts(
            topics=topics or None,
            subjects=subjects or None,
            collector_url=work.desired.collector_url,
            pipeline_version=work.desired.pipeline_version,
            lag=flow.lag,
            ledger=flow.ledger,
            flink=flow.flink,
            canary=flow.canary,
            worker_replicas=work.worker_pods,
            worker_selector=work.desired.worker_selector,
        )

    def _remember(self, work: Pass, flow: Flow, body: Body | None) -> None:
        """Keep what `resync` compares with, unless the spec was edited meanwhile or the lag asks for more workers."""
        if body is None or body["metadata"]["generation"] != work.pipeline.metadata.generation:
            return
        if work.pipeline.spec.worker.autoscaling is not None:
            return
        metadata = work.pipeline.metadata
        versions = work.children | {(str(metadata.uid), body["metadata"]["resourceVersion"])}
        # Without the Secrets' values.
        kept = replace(work, body=body, secrets=Secrets(self._census, metadata.namespace))
        self._converged[metadata.namespace, metadata.name] = Converged(kept, flow, versions)

    def _write_status(self, body: Body, status: dict[str, Any], journal: Journal) -> Body | None:
        """Write the status once, if it is another one; conditions are told only when they stand in it.

        Returns the resource as it is then, None when it has gone.
        """
        previous = body.get("status") or {}
        if status == previous:
            return body
        written = self._context.kubernetes.write_status(body, status)
        journal.transitions(previous, status)
        return written

    # -- deletion -----------------------------------------------------------------------------------------------------

    def _finalize(self, body: Body) -> Outcome:
        """Bring a deletion one step further; the finalizer goes last."""
        metadata = body["metadata"]
        if FINALIZER not in (metadata.get("finalizers") or ()):
            return Outcome(Verdict.PROGRESSING, metadata.get("generation"))
        journal = Journal(self._context.kubernetes, body)
        deletion = self._deletions.setdefault(metadata["uid"], finalize.Deletion(self._context.clock()))
        if not finalize.stop_workloads(self._context, body, deletion, journal):
            self._say_deleting(body, journal)
            return Outcome(Verdict.PROGRESSING, metadata.get("generation"))
        try:
            pipeline = HoldedPipeline.from_body(body)
        except ValidationError as error:
            reasons = "; ".join(str(problem) for problem in problems_of(error))
            journal.warn(
                "LeftBehind", f"Topics, subjects and database are left behind, the spec is unreadable: {reasons}"
            )
        else:
            self._claims.refresh()
            plan = self._claims.spare(deletion_plan(pipeline), pipeline, body)
            if not finalize.remove_outside(self._context, pipeline, plan, deletion, journal):
                return Outcome(Verdict.FAILING, metadata.get("generation"))
        finalize.release(self._context, body)
        del self._deletions[metadata["uid"]]
        self._scaled_at.pop(metadata["uid"], None)
        return Outcome(Verdict.PROGRESSING, metadata.get("generation"))

    def _say_deleting(self, body: Body, journal: Journal) -> None:
        try:
            pipeline = HoldedPipeline.from_body(body)
        except ValidationError:
            return
        previous = body.get("status") or {}
        self._write_status(body, build_status(pipeline, previous, [], now=self._context.now()), journal)


def _settled(body: Body) -> bool:
    """Tell whether the topics of this very spec have been found well: who is new since is younger."""
    status = body.get("status") or {}
    ready = {condition["type"]: condition["status"] for condition in status.get("conditions") or ()}
    return status.get("observedGeneration") == body["metadata"]["generation"] and ready.get(TOPICS_READY) == "True"
