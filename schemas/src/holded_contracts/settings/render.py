"""From a settings model to the environment that makes a service read it back."""

import json

from pydantic import BaseModel

from holded_contracts.settings.common import ENV_DELIMITER, ENV_PREFIX


def render_env(settings: BaseModel) -> dict[str, str]:
    """Return the variables that hold every plain setting which differs from its default.

    Secrets are left out: they reach a pod by reference only. Lists are written as JSON, as pydantic-settings reads
    them. The result is sorted by name, so that equal settings render equally.
    """
    variables: dict[str, str] = {}
    _collect(settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True), [], variables, settings)
    return dict(sorted(variables.items()))


def variable(*path: str) -> str:
    """Return the name of the variable that holds a field: path kafka, sasl_password is HOLDED_KAFKA__SASL_PASSWORD."""
    return ENV_PREFIX + ENV_DELIMITER.join(path).upper()


def _collect(values: dict[str, object], path: list[str], variables: dict[str, str], model: BaseModel) -> None:
    for name, value in values.items():
        original = getattr(model, name)
        if hasattr(original, "get_secret_value"):
            continue
        here = [*path, name]
        if isinstance(value, dict) and isinstance(original, BaseModel):
            _collect(value, here, variables, original)
        elif isinstance(value, (dict, list)):
            variables[variable(*here)] = json.dumps(value, sort_keys=True)
        elif isinstance(value, bool):
            variables[variable(*here)] = str(value).lower()
        else:
            variables[variable(*here)] = str(value)
