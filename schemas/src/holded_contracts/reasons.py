"""Why and where a record became a dead letter. The values are public: they stand in MySQL and in metrics."""

from enum import StrEnum


class Stage(StrEnum):
    """The service that refused the record."""

    WORKER = "worker"
    SINK = "sink"


class DeadLetterReason(StrEnum):
    """One kind of permanent fault each; a transient fault never has a reason here."""

    UNREADABLE_RECORD = "unreadable_record"
    """The record value is not Confluent wire format, or its Avro body is truncated or of an unknown schema."""
    INVALID_JSON = "invalid_json"
    """The payload is not JSON in UTF-8."""
    INVALID_ENVELOPE = "invalid_envelope"
    """The event is not an object with `data` and `headers` objects."""
    INVALID_TYPE = "invalid_type"
    r"""headers.type is not of the form Holded\{Context}\Domain\{Aggregate}\Events\{Name}Event."""
    INVALID_FIELD = "invalid_field"
    """A field that the pipeline needs has a wrong type, e.g. a context stamp that is not an object."""
    TOO_DEEP = "too_deep"
    """The event is nested deeper than MySQL's JSON type can hold (100 levels)."""
    TOO_LARGE = "too_large"
    """The event, enriched, is larger than a Kafka record may be."""
    PROCESSING_ERROR = "processing_error"
    """A step failed on this event, and on hardly any other, as nobody foresaw: a bug of ours, not of the sender."""
    STORAGE_REFUSED = "storage_refused"
    """MySQL refuses this row, and this row alone, for its content."""
