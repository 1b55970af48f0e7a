"""One ConfigMap per component: its whole environment except secrets."""

from collections.abc import Mapping

from pydantic import BaseModel

from holded_contracts.settings import render_env
from holded_operator.api.v1alpha1 import HoldedPipeline
from holded_operator.desired import names, settings
from holded_operator.desired.state import Manifest, Part


def config_map(
    pipeline: HoldedPipeline, component: Part, values: BaseModel, standard: Mapping[str, str] | None = None
) -> Manifest:
    """Return the ConfigMap whose keys are the environment variables of a component.

    standard are variables that libraries read by names of their own.
    """
    data = {key: text for key, text in render_env(values).items() if key not in settings.BY_REFERENCE}
    data |= standard or {}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": names.metadata(pipeline, names.child_name(pipeline, component), component),
        "data": data,
    }
