import asyncio
import gzip
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from holded_collector.admission import Admission, Place
from holded_collector.body import decompress, read_body
from holded_collector.metrics import Metrics
from holded_collector.refusal import Refusal
from holded_contracts.settings import CollectorLimits


def a_place(**limits: int) -> Place:
    return Place(Admission(CollectorLimits(**limits), Metrics()))


async def read(
    chunks: AsyncIterator[bytes], *, declared: str | None, limit: int, seconds: float = 5, room: Place | None = None
) -> bytes:
    return await read_body(chunks, declared=declared, limit=limit, seconds=seconds, room=room or a_place())


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_body_is_put_together_from_its_chunks() -> None:
    assert await read(chunks(b"ab", b"", b"c"), declared=None, limit=3) == b"abc"


@pytest.mark.parametrize("declared", ["4", "004", "9" * 5000])
async def test_a_declared_size_over_the_limit_is_refused_before_reading(declared: str) -> None:
    with pytest.raises(Refusal) as refused:
        await read(chunks(b"never read"), declared=declared, limit=3)
    assert refused.value.status == 413
    assert refused.value.close


@pytest.mark.parametrize("declared", [None, "1", "nonsense", ""])
async def test_what_counts_is_what_arrives(declared: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        await read(chunks(b"ab", b"cd"), declared=declared, limit=3)
    assert refused.value.status == 413


async def test_an_endless_body_is_left_at_the_limit() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(Refusal):
        await read(endless(), declared=None, limit=5000)
    assert taken == 6


async def test_a_client_that_trickles_is_given_up() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    with pytest.raises(Refusal) as refused:
        await read(trickle(), declared=None, limit=1000, seconds=0.1)
    assert (refused.value.status, refused.value.error) == (408, "body_timeout")


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_a_plain_body_stays_as_it_is(encoding: str | None) -> None:
    assert decompress(b"[]", encoding, 10) == b"[]"


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_undone_members_and_all(encoding: str) -> None:
    assert decompress(gzip.compress(b"ab") + gzip.compress(b"c"), encoding, 3) == b"abc"


def test_gzip_of_one_byte_too_many_is_refused() -> None:
    assert decompress(gzip.compress(b"x" * 1000), "gzip", 1000) == b"x" * 1000
    with pytest.raises(Refusal) as refused:
        decompress(gzip.compress(b"x" * 1001), "gzip", 1000)
    assert refused.value.status == 413


def test_a_gzip_bomb_is_never_unpacked() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    with pytest.raises(Refusal) as refused:
        decompress(bomb, "gzip", 1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"plain", id="plain"),
        pytest.param(gzip.compress(b"abc")[:-1], id="cut-short"),
        pytest.param(gzip.compress(b"abc") + b"junk", id="junk-behind-it"),
        pytest.param(b"\x1f\x8b", id="magic-only"),
        pytest.param(gzip.compress(b"") * 1000, id="a-thousand-members"),
    ],
)
def test_what_is_no_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        decompress(body, "gzip", 1000)
    assert (refused.value.status, refused.value.error) == (400, "not_gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(Refusal) as refused:
        decompress(b"x", encoding, 1000)
    assert refused.value.status == 415
