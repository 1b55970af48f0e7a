"""Subjects: compatibility level, compatibility check of all, then registration of what is new."""

from collections.abc import Sequence

from holded_operator.desired import SubjectSpec
from holded_operator.exceptions import IncompatibleSchemaError
from holded_operator.gateways.interfaces import RegisteredSchema, RegistryAccess, RegistryGateway
from holded_operator.steps.journal import Journal


def ensure_subjects(
    registry: RegistryGateway, access: RegistryAccess, wanted: Sequence[SubjectSpec], journal: Journal
) -> dict[str, RegisteredSchema]:
    """Bring the subjects to their specs and return where each schema stands, by subject.

    Raises
    ------
    IncompatibleSchemaError
        If one of the schemas breaks its subject's rule; then none was registered.
    """
    # The level comes first: it is the rule that both the check and the registration go by.
    for spec in wanted:
        if registry.compatibility(access, spec.name) != spec.compatibility:
            registry.set_compatibility(access, spec.name, spec.compatibility)
            journal.changed("CompatibilitySet", f"Set compatibility {spec.compatibility} of subject {spec.name}")
    standing = {spec.name: registry.find(access, spec.name, spec.schema_text) for spec in wanted}
    new = [spec for spec in wanted if standing[spec.name] is None]
    for spec in new:
        _check(registry, access, spec)
    for spec in new:
        registered = standing[spec.name] = registry.register(access, spec.name, spec.schema_text)
        journal.changed(
            "SchemaRegistered",
            f"Registered version {registered.version} (id {registered.schema_id}) of subject {spec.name}",
        )
    return {name: schema for name, schema in standing.items() if schema is not None}


def _check(registry: RegistryGateway, access: RegistryAccess, spec: SubjectSpec) -> None:
    messages = registry.incompatibilities(access, spec.name, spec.schema_text)
    if messages is None:
        return
    if not messages:
        # Some registries say why only when a registration breaks the rule, and refuse it.
        try:
            registry.register(access, spec.name, spec.schema_text)
        except IncompatibleSchemaError as error:
            raise IncompatibleSchemaError(spec.name, spec.compatibility, error.messages) from error
        return
    raise IncompatibleSchemaError(spec.name, spec.compatibility, messages)
