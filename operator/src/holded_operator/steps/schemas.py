"""Subjects: compatibility level, compatibility check of all, then registration of what is new."""

from collections.abc import Iterator, Sequence

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


def incompatibility(
    registry: RegistryGateway, access: RegistryAccess, spec: SubjectSpec
) -> IncompatibleSchemaError | None:
    """Return what today's rule of the subject has against the schema; nothing is changed.

    Not every registry says why: the error's `messages` may be empty.
    """
    messages = registry.incompatibilities(access, spec.name, spec.schema_text)
    return None if messages is None else IncompatibleSchemaError(spec.name, spec.compatibility, messages)


def _check(registry: RegistryGateway, access: RegistryAccess, spec: SubjectSpec) -> None:
    found = incompatibility(registry, access, spec)
    if found is None:
        return
    if not found.messages:
        # Some registries say why only when a registration breaks the rule, and refuse it.
        try:
            registry.register(access, spec.name, spec.schema_text)
        except IncompatibleSchemaError as error:
            raise IncompatibleSchemaError(spec.name, spec.compatibility, error.messages) from error
        return
    raise found


def predicted(
    registry: RegistryGateway, access: RegistryAccess, wanted: Sequence[SubjectSpec]
) -> Iterator[IncompatibleSchemaError]:
    """Yield what `ensure_subjects` would raise, without changing anything.

    The registry judges by the level a subject has today. Where the resource asks for another one, only the pass, which
    sets it, can tell; so nothing is said about such a subject.
    """
    for spec in wanted:
        if registry.find(access, spec.name, spec.schema_text) is None:
            found = incompatibility(registry, access, spec)
            if found is not None and registry.compatibility(access, spec.name) == spec.compatibility:
                yield found
