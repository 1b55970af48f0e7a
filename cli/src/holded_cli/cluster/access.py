"""The cluster that the kubeconfig names, and the errors of it as one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from holded_cli.terminal import failure
from holded_operator.exceptions import OperatorError
from holded_operator.gateways.interfaces import Body, InspectionGateway

ContextOption = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
NamespaceOption = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Namespace; without it, that of the context.")
]


def connect(context: str | None) -> tuple[InspectionGateway, str]:
    """Return the cluster and the namespace of a context."""
    from holded_operator.gateways import inspection  # noqa: PLC0415 -- a quarter of a second that only these commands pay

    return inspection.connect(context)


@contextmanager
def cluster(context: str | None, namespace: str | None) -> Iterator[tuple[InspectionGateway, str]]:
    """Yield the cluster and the namespace; its errors end the command with one line and exit code 1."""
    try:
        gateway, default = connect(context)
        if not gateway.served():
            raise failure("this cluster has no CustomResourceDefinition holdedpipelines.holded.dev: install the chart")
        yield gateway, namespace or default
    except OperatorError as error:
        raise failure(str(error)) from error


def existing(gateway: InspectionGateway, namespace: str, name: str) -> Body:
    """Return a resource; one that does not exist ends the command."""
    body = gateway.get_pipeline(namespace, name)
    if body is None:
        raise failure(f"there is no HoldedPipeline {name} in namespace {namespace}")
    return body
