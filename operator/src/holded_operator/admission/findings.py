"""What a resource would run into, asked of Kubernetes, Kafka and the registry without changing anything.

Each part is a step of a pass up to the point where that would write. The parts run side by side, each for itself: a
system that is away or slow costs what it could have told, never the answer.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Final

from holded_operator import exceptions
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.context import Context
from holded_operator.desired.topics import subject_specs, topic_specs
from holded_operator.exceptions import OperatorError
from holded_operator.gateways.interfaces import Body
from holded_operator.remedies import remedy
from holded_operator.steps.claims import Claims
from holded_operator.steps.credentials import (
    Secrets,
    collector_keys,
    database_access,
    kafka_access,
    registry_access,
)
from holded_operator.steps.schemas import predicted
from holded_operator.steps.topics import contradictions, replication_differences
from holded_operator.validation import Problems, read

REFUSED: Final = (
    exceptions.IncompatibleSchemaError,
    exceptions.ReplicationFactorError,
    exceptions.SecretKeyMissingError,
    exceptions.SecretMissingError,
    exceptions.SilverNarrowerError,
    exceptions.TopicClaimedError,
    exceptions.TopicShrinkError,
    exceptions.TopicTooSmallError,
)
"""Contradictions that only another spec, or another world, resolves. All else is a warning: what heals by itself, what
the operator may not read, and a topic with `managed: false` that does not exist yet."""

THREADS: Final = 20
"""Parts examined at the same time; five make one resource."""

_log = logging.getLogger("holded_operator.admission")


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a resource, in sentences that name field and fix, and what could not be found out."""

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Examiner:
    """Examines resources. Safe for use by several threads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._others = Claims(lambda: context.kubernetes.read_pipelines(context.config.watch_namespaces))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="examine")

    def examine(self, body: Body, *, until: float) -> Findings:
        """Return what a resource would run into, as far as it is known when the context's clock shows `until`."""
        pipeline = read(body)
        if isinstance(pipeline, Problems):
            return Findings(refusals=tuple(str(problem) for problem in pipeline))
        asked = {self._threads.submit(_gather, name, part): name for name, part in self._parts(pipeline, body).items()}
        done, late = wait(asked, timeout=max(until - self._context.clock(), 0))
        for future in late:
            future.cancel()
        found = [future.result() for future in asked if future in done]
        slow = [f"{asked[future]}: not checked, no answer in time" for future in asked if future in late]
        return Findings(
            refusals=_unique(sentence for part in found for sentence in part.refusals),
            warnings=_unique([*(sentence for part in found for sentence in part.warnings), *slow]),
        )

    def close(self) -> None:
        """Begin nothing more; what runs ends by the gateways' own time-outs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _parts(self, pipeline: HoldedPipeline, body: Body) -> dict[str, Callable[[], Iterable[OperatorError]]]:
        """Return what is to be asked, by the fields that it is about."""
        secrets = Secrets(self._context.kubernetes, pipeline.metadata.namespace)
        return {
            "topics of other pipelines": partial(self._claims, pipeline, body),
            "spec.topics": partial(self._topics, pipeline, body, secrets),
            "spec.schemas": partial(self._schemas, pipeline, secrets),
            "spec.mysql.credentialsSecretRef": partial(_nothing_but_raise, database_access, pipeline, secrets),
            "spec.collector.authentication": partial(_nothing_but_raise, collector_keys, pipeline, secrets),
        }

    def _claims(self, pipeline: HoldedPipeline, body: Body) -> tuple[()]:
        self._others.refresh()
        self._others.check(pipeline, body, topic_specs(pipeline))
        return ()

    def _topics(self, pipeline: HoldedPipeline, body: Body, secrets: Secrets) -> Iterator[OperatorError]:
        access, wanted = kafka_access(pipeline, secrets), topic_specs(pipeline)
        live = self._context.kafka.describe_topics(access, [spec.name for spec in wanted])
        yield from contradictions(wanted, {name: state.partitions for name, state in live.items()})
        yield from replication_differences(wanted, live)
        self._others.refresh()
        self._others.check(pipeline, body, wanted, live)

    def _schemas(self, pipeline: HoldedPipeline, secrets: Secrets) -> Iterator[OperatorError]:
        access = registry_access(pipeline, secrets)
        yield from predicted(self._context.registry, access, subject_specs(pipeline))


def _nothing_but_raise(
    step: Callable[[HoldedPipeline, Secrets], object], pipeline: HoldedPipeline, secrets: Secrets
) -> tuple[()]:
    step(pipeline, secrets)
    return ()


def _gather(name: str, part: Callable[[], Iterable[OperatorError]]) -> Findings:
    """Run a part to its end, in a thread of the pool; what it raises is a finding, too."""
    refusals: list[str] = []
    warnings: list[str] = []

    def note(error: OperatorError) -> None:
        if isinstance(error, REFUSED):
            refusals.append(_with_remedy(error))
        elif isinstance(error, exceptions.TopicMissingError):
            warnings.append(str(error))
        else:
            warnings.append(f"{name}: not checked: {error}")

    try:
        for error in part():
            note(error)
    except OperatorError as error:
        note(error)
    except Exception:  # noqa: BLE001 -- a bug here must not keep anybody from applying anything
        _log.exception("%s could not be checked: a fault of the operator itself", name)
        warnings.append(f"{name}: not checked, a fault of the operator itself; its log has the trace")
    return Findings(tuple(refusals), tuple(warnings))


def _with_remedy(error: OperatorError) -> str:
    known = remedy(error.reason)
    return str(error) if known is None else f"{error} ({known.do.replace('`', '')})"


def _unique(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return each sentence once: a Secret that serves two systems is missing only once."""
    return tuple(dict.fromkeys(sentences))
