"""The job: the pipeline with Flink's source, deduplication and outputs, and the options it runs with."""

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from holded_contracts.settings import FlinkSettings, WorkerSettings
from holded_worker.domain.process import Rules
from holded_worker.flink.dedup import DeduplicateByState
from holded_worker.flink.job_settings import job_name, travelling
from holded_worker.flink.output import Write
from holded_worker.flink.source import JobSchemas, ReadRaw
from holded_worker.pipeline import ProcessEvents, build_pipeline


def make_job(settings: WorkerSettings, flink: FlinkSettings, restore: str | None) -> beam.Pipeline:
    """Return the pipeline, ready to run; `restore` is the path of a checkpoint or savepoint."""
    travelled = travelling(settings)
    pipeline = beam.Pipeline(options=PipelineOptions(options(settings, flink, restore)))
    build_pipeline(
        pipeline,
        ReadRaw(travelled),
        ProcessEvents(Rules.of(settings), schemas=JobSchemas(travelled), deduplicate=DeduplicateByState(travelled)),
        lambda output: beam.ParDo(Write(travelled, output)),
    )
    return pipeline


def options(settings: WorkerSettings, flink: FlinkSettings, restore: str | None) -> list[str]:
    """Return Beam's options. Python calls some of them unknown and passes them on; the job server knows them."""
    return [
        "--runner=PortableRunner",
        f"--job_name={job_name(settings)}",
        f"--job_endpoint={flink.job_server}",
        "--environment_type=EXTERNAL",
        f"--environment_config={flink.worker_pool}",
        # Of one process per TaskManager: two would take turns, and fence each other's transactions.
        "--sdk_worker_parallelism=1",
        "--streaming",
        # By pip, which our image has no more of than this environment.
        "--experiments=disable_logging_submission_environment",
        f"--parallelism={flink.parallelism}",
        f"--checkpointing_interval={flink.checkpoint_interval_ms}",
        "--externalized_checkpoints_enabled",
        "--retain_externalized_checkpoints_on_cancellation",
        # By default what a bundle puts out at a checkpoint waits for the stage's next input, perhaps for ever
        # (docs/decisions/0034).
        "--finish_bundle_before_checkpointing",
        f"--max_bundle_time_mills={flink.max_bundle_ms}",
        *([f"--savepoint_path={restore}", "--allow_non_restored_state"] if restore else []),
    ]
