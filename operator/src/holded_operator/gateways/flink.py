"""The job of runner Flink, as the pipeline's submitter tells it."""

import logging

import httpx
from pydantic import ValidationError

from holded_operator.constants import PROBES_PORT
from holded_operator.desired import Component
from holded_operator.gateways.interfaces import FlinkJob

TIMEOUT_SECONDS = 2.0
"""A submitter that lives answers from memory."""

_log = logging.getLogger("holded_operator.flink")


class FlinkSubmitters:
    """The `FlinkGateway` of production. Safe for use by several threads."""

    def __init__(self, address: str = f"http://{{name}}-{Component.WORKER}.{{namespace}}.svc:{PROBES_PORT}") -> None:
        """`address` is where a submitter answers, with {name} and {namespace} of the pipeline."""
        self._url = f"{address}/job"
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def job(self, namespace: str, name: str) -> FlinkJob | None:
        """Return what the submitter of a pipeline tells of its job, None when it does not answer."""
        url = self._url.format(name=name, namespace=namespace)
        try:
            response = self._client.get(url)
            response.raise_for_status()
            return FlinkJob.model_validate_json(response.content)
        except (httpx.HTTPError, ValidationError) as error:
            _log.info("%s does not tell of its job: %s", url, error)
            return None
