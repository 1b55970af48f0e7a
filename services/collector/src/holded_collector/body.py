"""Reading a request's body within bounds: of bytes, before and after gzip, and of time."""

import asyncio
import zlib
from collections.abc import AsyncIterable

from holded_collector.admission import Place
from holded_collector.refusal import Refusal

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_MAX_GZIP_MEMBERS = 64
"""Concatenated members are legal gzip, but each one costs a copy of what follows it."""


async def read_body(
    chunks: AsyncIterable[bytes],
    *,
    declared: str | None,
    limit: int,
    seconds: float,
    room: Place,
) -> bytes:
    """Return the body as it came over the wire.

    declared is the Content-Length header; it only serves to refuse early, what counts is what arrives. The
    bytes stay counted in `room` until it is left.

    Raises
    ------
    Refusal
        413 as soon as there are more than `limit` bytes, 408 if it is not complete after `seconds`, 503 if there is
        no room for it.
    """
    if declared is not None and _exceeds(declared, limit):
        raise _too_large(limit)
    # Room is taken by what has arrived: a client that declares much and sends little must not keep others out.
    room.expect(_declared_bytes(declared))
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in chunks:
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
                room.hold(len(chunk))
    except TimeoutError as error:
        raise Refusal(
            408, "body_timeout", f"The body was not complete after {seconds:g} s; send smaller requests.", close=True
        ) from error
    return bytes(body)


def _declared_bytes(declared: str | None) -> int:
    number = (declared or "").strip().lstrip("0")
    return int(number) if number.isascii() and number.isdigit() else 0


def _exceeds(declared: str, limit: int) -> bool:
    number = declared.strip().lstrip("0")
    return number.isascii() and number.isdigit() and (len(number) > len(str(limit)) or int(number) > limit)


def decompress(body: bytes, encoding: str | None, limit: int) -> bytes:
    """Return the body without its Content-Encoding.

    Raises
    ------
    Refusal
        413 if it holds more than `limit` bytes (no more than that is ever decompressed), 400 if it is no gzip, 415 for
        another encoding.
    """
    match (encoding or "identity").strip().lower():
        case "identity" | "":
            return body
        case "gzip" | "x-gzip":
            return _gunzip(body, limit)
        case _:
            raise Refusal(415, "unsupported_encoding", "Content-Encoding must be gzip, or left out.")


def _gunzip(body: bytes, limit: int) -> bytes:
    out = bytearray()
    rest = body
    for _ in range(_MAX_GZIP_MEMBERS):
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            out += member.decompress(rest, limit - len(out) + 1)
        except zlib.error as error:
            raise _bad_gzip(str(error)) from error
        if len(out) > limit:
            raise _too_large(limit)
        if not member.eof:
            raise _bad_gzip("it ends too early")
        rest = member.unused_data
        if not rest:
            return bytes(out)
    raise _bad_gzip(f"it has more than {_MAX_GZIP_MEMBERS} members")


def _bad_gzip(why: str) -> Refusal:
    return Refusal(400, "not_gzip", f"Content-Encoding says gzip, but the body is not: {why}.")


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413, "body_too_large", f"The body has more than {limit} bytes before or after gzip; split it.", close=True
    )
