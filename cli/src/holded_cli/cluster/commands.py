"""The commands themselves: read, let the pure modules think, print, exit."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from holded_cli.cluster import diagnose as bundles
from holded_cli.cluster import plan as plans
from holded_cli.cluster import plan_view
from holded_cli.cluster import status as states
from holded_cli.cluster import why as reasons
from holded_cli.cluster.access import ContextOption, NamespaceOption, cluster, existing
from holded_cli.cluster.pods import read_components
from holded_cli.terminal import failure, show
from holded_operator.constants import API_VERSION, KIND
from holded_operator.gateways.interfaces import Body
from holded_operator.steps.workloads import Children

CHANGES = 2
"""Exit code of `plan` when something would change."""


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


Name = Annotated[str, typer.Argument(help="Name of the HoldedPipeline.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="For people, or for programs.")]


def add_to(app: typer.Typer) -> None:
    """Add these commands to an application."""
    for command in (status, why, plan, diagnose):
        app.command()(command)


def status(
    name: Annotated[str | None, typer.Argument(help="A HoldedPipeline; without it, all of them.")] = None,
    *,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Of all namespaces.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what state pipelines are in: conditions, pods, topics, ledger, lag."""
    if name is not None and all_namespaces:
        raise failure("a pipeline is in one namespace: give NAME or --all-namespaces")
    now, as_json = datetime.now(UTC), output is Output.JSON
    with cluster(context, namespace) as (gateway, where):
        if name is None:
            bodies = gateway.read_pipelines([] if all_namespaces else [where])
            show(states.summary_json(bodies), states.summary(bodies, now), json_output=as_json)
            return
        body = existing(gateway, where, name)
        components = read_components(gateway, body, Children(tuple(gateway.list_children(body))))
    show(states.pipeline_json(body, components), states.details(body, components, now), json_output=as_json)


def why(
    name: Name,
    *,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Explain what keeps a pipeline from Ready, and what to do. Exits with 0 when it is Ready, else with 1."""
    with cluster(context, namespace) as (gateway, where):
        body = existing(gateway, where, name)
        children = gateway.list_children(body)
        components = read_components(gateway, body, Children(tuple(children)))
        explanation = reasons.explain(body, components, children, gateway.list_events(where))
    show(explanation.as_json(), reasons.render(explanation), json_output=output is Output.JSON)
    raise typer.Exit(0 if explanation.ready else 1)


def plan(
    *,
    file: Annotated[str, typer.Option("--filename", "-f", help="Manifest of one HoldedPipeline; - is standard input.")],
    namespace: NamespaceOption = None,
    context: ContextOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what applying a resource would change; nothing is written.

    Exits with 0 when nothing would change, with 2 when something would, with 1 when it would be refused.
    """
    manifest = _read(file)
    with cluster(context, namespace) as (gateway, where):
        result = plans.make_plan(gateway, _placed(manifest, namespace, where))
    show(result.as_json(), plan_view.render(result), json_output=output is Output.JSON)
    raise typer.Exit(1 if result.problems else CHANGES if result.changes else 0)


def diagnose(
    name: Name,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write (.tar.gz).")] = None,
    namespace: NamespaceOption = None,
    context: ContextOption = None,
) -> None:
    """Pack resource, objects, pods, Events, logs and versions for a bug report; without Secrets."""
    now = datetime.now(UTC)
    with cluster(context, namespace) as (gateway, where):
        files = bundles.collect(gateway, existing(gateway, where, name), now)
    folder = f"holded-diagnose-{name}-{now:%Y%m%dT%H%M%SZ}"
    path = output or Path(f"{folder}.tar.gz")
    try:
        path.write_bytes(bundles.pack(files, folder, now))
    except OSError as error:
        raise failure(f"{path} cannot be written: {error.strerror}") from error
    typer.echo(f"{path}: {len(files)} files; look through it before you send it")


def _read(file: str) -> Body:
    """Return the one HoldedPipeline of a manifest; other kinds beside it are left alone."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        documents: list[Any] = list(yaml.safe_load_all(text))
    except (OSError, UnicodeError) as error:
        raise failure(f"{file} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise failure(f"{file} is no YAML: {error}") from error
    found: list[Body] = [item for item in documents if isinstance(item, dict) and item.get("kind") == KIND]
    if len(found) != 1:
        raise failure(f"{file} has {len(found)} resources of kind {KIND}; one is needed")
    (manifest,) = found
    if manifest.get("apiVersion") != API_VERSION:
        raise failure(f"{file}: apiVersion is {manifest.get('apiVersion')}; this version knows {API_VERSION}")
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name") or not isinstance(manifest.get("spec"), dict):
        raise failure(f"{file} lacks metadata.name or spec")
    return manifest


def _placed(manifest: Body, asked: str | None, default: str) -> Body:
    """Return the manifest with a namespace, by kubectl's rule: the file's, which must not contradict the option."""
    metadata = manifest["metadata"]
    own = metadata.get("namespace")
    if own and asked and own != asked:
        raise failure(f"metadata.namespace is {own}, --namespace is {asked}: they must be the same")
    kept = {key: value for key, value in manifest.items() if key != "status"}
    return kept | {"metadata": metadata | {"namespace": own or default}}
