"""The environment variables of each service: the operator renders them, the service parses them.

One model serves both directions, so a setting cannot exist on one side only.
"""

from holded_contracts.settings.collector import ApiKeyMode, CollectorLimits, CollectorSettings, Cors, RateLimit
from holded_contracts.settings.common import (
    KafkaSettings,
    MySQLSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    ServiceSettings,
    TopicNames,
)
from holded_contracts.settings.render import render_env
from holded_contracts.settings.sink import SinkBatch, SinkSettings
from holded_contracts.settings.worker import (
    ClassificationRule,
    FlinkSettings,
    QualityWeights,
    WorkerBatch,
    WorkerSettings,
)

__all__ = [
    "ApiKeyMode",
    "ClassificationRule",
    "CollectorLimits",
    "CollectorSettings",
    "Cors",
    "FlinkSettings",
    "KafkaSettings",
    "MySQLSettings",
    "PipelineSettings",
    "QualityWeights",
    "RateLimit",
    "SchemaRegistrySettings",
    "ServiceSettings",
    "SinkBatch",
    "SinkSettings",
    "TopicNames",
    "WorkerBatch",
    "WorkerSettings",
    "render_env",
]
