"""What can go wrong on the way to gold, in the three kinds that are treated differently.

Transient faults are retried with backoff for ever, refusals concern one row alone, systemic faults stop the stage until
somebody has repaired it. Only refusals ever make a dead letter.
"""


class TransientError(Exception):
    """Retry with backoff: Kafka, registry or MySQL is away, busy, full or read-only for now."""


class SystemicError(Exception):
    """Every row would fail the same way (no table, no rights): retry slowly, report not ready, write nothing."""


class RefusedContentError(Exception):
    """MySQL refuses a statement for the content of a row in it."""


class FencedError(Exception):
    """Stored offsets are not where this batch starts: another sink wrote on, or our own lost COMMIT did arrive."""


class OwnershipLostError(Exception):
    """The consumer group changed while a batch was in hand: its new owner will read it again."""


class StoppingError(Exception):
    """SIGTERM came while waiting between attempts: the batch in hand is left to the next process."""


class KafkaFatalError(Exception):
    """The Kafka client cannot go on in this process, e.g. another process has taken its group.instance.id."""


_TRANSIENT_CODES = frozenset(
    {
        3,  # error writing file, e.g. no space left on device
        1021,  # disk full
        1026,  # error writing file
        1030,  # error from storage engine, e.g. disk full
        1037,  # out of memory
        1038,  # out of sort memory
        1040,  # too many connections
        1041,  # out of resources
        1053,  # server shutdown in progress
        1077,  # normal shutdown
        1078,  # got signal
        1079,  # shutdown complete
        1114,  # table is full
        1158,  # network: read error
        1159,  # network: read time-out
        1160,  # network: write error
        1161,  # network: write time-out
        1180,  # error during commit
        1203,  # too many connections of this user
        1205,  # lock wait time-out
        1206,  # lock table full
        1213,  # deadlock
        1226,  # resource limit of the user
        1290,  # --read-only, --super-read-only
        1297,  # temporary error of an engine
        1317,  # query interrupted
        1412,  # table definition changed, please retry the transaction
        1615,  # prepared statement needs to be re-prepared
        1792,  # read-only transaction
        1836,  # read-only mode
        1927,  # connection was killed
        3024,  # maximum statement execution time exceeded
        3100,  # replication hook refused the commit
        3101,  # group replication rolled back
        3169,  # session was killed
        4031,  # disconnected by the server for inactivity
    }
)
_CONTENT_CODES = frozenset(
    {
        1048,  # column cannot be null
        1153,  # packet bigger than max_allowed_packet
        1264,  # out of range for the column
        1265,  # data truncated
        1292,  # truncated incorrect value
        1300,  # invalid character string
        1366,  # incorrect value, e.g. a string that is not of the character set
        1367,  # illegal value
        1406,  # data too long for the column
        1411,  # incorrect value for a function
        1441,  # datetime overflow
        1690,  # value out of range
        3140,  # invalid JSON text
        3141,  # invalid JSON text in an argument
        3144,  # JSON of a wrong character set
        3150,  # JSON value too big
        3156,  # invalid JSON value for a cast
        3157,  # JSON nested too deep
        3158,  # JSON null key
        3819,  # check constraint violated
    }
)
_FIRST_CLIENT_CODE = 2000
_LAST_CLIENT_CODE = 2999


def classify(code: object) -> type[TransientError | SystemicError | RefusedContentError]:
    """Return the kind of a MySQL error by its number (MySQL 9.x error reference).

    Numbers of 2000 to 2999 are raised by the client and mean a broken connection, as does an error without number.
    What is not known is systemic: stopping is safe, and an unknown error must never make dead letters.
    """
    if not isinstance(code, int) or code == 0 or _FIRST_CLIENT_CODE <= code <= _LAST_CLIENT_CODE:
        return TransientError
    if code in _TRANSIENT_CODES:
        return TransientError
    if code in _CONTENT_CODES:
        return RefusedContentError
    return SystemicError
