"""Names that Kubernetes, Helm charts and people know; changing one breaks what is already running."""

from typing import Final

GROUP: Final = "holded.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "HoldedPipeline"
PLURAL: Final = "holdedpipelines"
SINGULAR: Final = "holdedpipeline"
SHORT_NAME: Final = "hp"
CATEGORY: Final = "holded"

FIELD_MANAGER: Final = "holded-operator"
"""Owner of the fields we apply (server-side apply); also the value of the managed-by label."""
FINALIZER: Final = f"{GROUP}/operator"

APP_NAME: Final = "holded-pipeline"
LABEL_NAME: Final = "app.kubernetes.io/name"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_COMPONENT: Final = "app.kubernetes.io/component"
LABEL_PART_OF: Final = "app.kubernetes.io/part-of"
LABEL_MANAGED_BY: Final = "app.kubernetes.io/managed-by"
LABEL_VERSION: Final = "app.kubernetes.io/version"

ANNOTATION_CONFIG_CHECKSUM: Final = f"{GROUP}/config-checksum"
"""On pod templates: a change of the ConfigMap's content rolls the pods."""
ANNOTATION_SECRET_CHECKSUM: Final = f"{GROUP}/secret-checksum"
"""On pod templates: a change of a referenced Secret's content rolls the pods."""
ANNOTATION_FLINK_MODE: Final = f"{GROUP}/flink-mode"
"""On the worker's StatefulSet: the pods of Flink are the Flink Kubernetes Operator's."""

COLLECTOR_PORT: Final = 8000
PROBES_PORT: Final = 8080
RUN_AS_ID: Final = 10001
"""User and group of every container, as the images create them."""

MAX_NAME_LENGTH: Final = 40
"""Longest pipeline name: a StatefulSet's pods carry NAME-worker-<hash> in a label, which ends at 63 characters."""
