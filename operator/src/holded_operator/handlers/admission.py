"""The admission webhook's HTTPS server. It answers in time, and admits what it cannot judge.

It lives in a thread of its own with an event loop of its own: it serves in a replica that stands by, kopf (which takes
every task of its loop for its own when it stops) cannot end it, and neither can slow the other down.
"""

import asyncio
import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from aiohttp import web

from holded_operator.admission.findings import Findings
from holded_operator.admission.review import admitted_unchecked, answer, review
from holded_operator.gateways.interfaces import Body
from holded_operator.handlers.certificates import CertificateKeeper
from holded_operator.handlers.health import REVIEWS

MAX_BODY_BYTES = 8 * 1024**2
"""Two objects of etcd's largest size (1.5 MiB each) and what JSON makes of them."""
THREADS = 4
"""Reviews at the same time; more of them wait, and are admitted unchecked when their time is over."""
MARGIN_SECONDS = 0.5
"""Time between the end of the checks and the answer's."""
DRAIN_SECONDS = 3.0
"""Time that a stopping server goes on, until the Service's endpoints are without it."""

_log = logging.getLogger("holded_operator.admission")


class AdmissionThread:
    """The server together with the care for its certificate."""

    def __init__(self, server: "AdmissionServer", keeper: CertificateKeeper) -> None:
        self._server = server
        self._keeper = keeper
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self.ready = threading.Event()
        """Set once it has a certificate and listens."""
        self._thread = threading.Thread(target=self._run, name="admission", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Serve on for `DRAIN_SECONDS`, then stop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DRAIN_SECONDS + 2 * MARGIN_SECONDS + self._server.seconds)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except Exception:  # noqa: BLE001 -- readiness tells it, and passes go on
            _log.exception("the admission webhook is not served")
        finally:
            self.ready.clear()

    async def _serve(self) -> None:
        first = asyncio.Event()
        tending = asyncio.create_task(self._keeper.keep(first), name="certificate")
        stopped = asyncio.create_task(self._stop.wait(), name="stop")
        await asyncio.wait({stopped, asyncio.create_task(first.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if first.is_set():
            await self._server.start()
            self.ready.set()
            await stopped
            await self._server.close()
        tending.cancel()


class AdmissionServer:
    """Serves reviews under /validate/TOKEN."""

    def __init__(
        self,
        examine: Callable[..., Findings],
        keeper: CertificateKeeper,
        *,
        port: int,
        seconds: float,
        namespaces: Sequence[str] = (),
    ) -> None:
        self._examine = examine
        self._keeper = keeper
        self._port = port
        self.seconds = seconds
        """Time for the checks of one review."""
        self._namespaces = namespaces
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="review")
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/validate/{token}", self._validate)
        self._runner = web.AppRunner(application, handle_signals=False, access_log=None)

    async def start(self) -> None:
        """Listen."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, port=self._port, ssl_context=self._keeper.context)
        await site.start()

    async def close(self, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        """Go on for a moment, then stop; answers on their way are given."""
        await asyncio.sleep(drain_seconds)
        await self._runner.cleanup()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _validate(self, request: web.Request) -> web.Response:
        token = self._keeper.token
        if not token or not hmac.compare_digest(token.encode(), request.match_info["token"].encode()):
            raise web.HTTPNotFound
        try:
            asked: Body = json.loads(await request.read())["request"]
            uid, namespace = asked["uid"], asked["namespace"]
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"not an AdmissionReview of a namespaced object: {error}\n") from error
        response = await self._judge(asked, namespace)
        verdict = "refused" if not response["allowed"] else "warned" if "warnings" in response else "admitted"
        REVIEWS.labels(verdict).inc()
        metadata = (asked.get("object") or {}).get("metadata") or {}
        _log.debug("%s %s %s/%s %s", verdict, asked.get("operation"), namespace, metadata.get("name"), uid)
        return web.json_response(answer(response))

    async def _judge(self, asked: Body, namespace: str) -> Body:
        if self._namespaces and namespace not in self._namespaces:
            return admitted_unchecked(asked, f"namespace {namespace} is not served by this operator")
        examine = partial(self._examine, until=time.monotonic() + self.seconds)
        try:
            async with asyncio.timeout(self.seconds + MARGIN_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, review, asked, examine)
        except TimeoutError:
            return admitted_unchecked(asked, "the checks took too long")
        except Exception:  # noqa: BLE001 -- a bug here must not keep anybody from applying anything
            _log.exception("a review failed: a fault of the operator itself")
            return admitted_unchecked(asked, "a fault of the operator itself; its log has the trace")
