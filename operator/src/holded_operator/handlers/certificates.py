"""Looks after the admission webhook's certificate: the Secret that replicas share, the API server's trust, our copy.

Every replica does so; whoever writes first wins, and the others read what it wrote.
"""

import asyncio
import base64
import logging
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from holded_operator.admission.certificates import Bundle, tended
from holded_operator.exceptions import OperatorError, StaleObjectError
from holded_operator.gateways.interfaces import Body, OwnObjectsGateway
from holded_operator.handlers.health import CERTIFICATE_EXPIRY

ROUND_SECONDS = 60.0
RETRY_SECONDS = 3.0

_log = logging.getLogger("holded_operator.certificates")


def _now() -> datetime:
    return datetime.now(UTC)


class CertificateKeeper:
    """Keeps the certificate; connections made through `context` get the newest one."""

    def __init__(
        self, objects: OwnObjectsGateway, *, service: str, namespace: str, now: Callable[[], datetime] = _now
    ) -> None:
        self._objects = objects
        self._names = tuple(f"{service}.{namespace}{end}" for end in ("", ".svc", ".svc.cluster.local"))
        self._now = now
        self._served: bytes | None = None
        self._problem: str | None = None
        self.context = self._newest = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        # Changed as a whole: a context that is given another certificate has the wrong key for it for a moment.
        self.context.sni_callback = self._hand_over
        self.token = ""
        """What the path of a genuine request ends with; empty until there is one."""

    async def keep(self, ready: asyncio.Event) -> None:
        """Look after it for ever; `ready` is set as soon as there is a certificate to serve with."""
        while True:
            pause = RETRY_SECONDS
            try:
                await asyncio.to_thread(self.tend)
                ready.set()
                pause, self._problem = ROUND_SECONDS, None
            except StaleObjectError:
                _log.debug("another replica was faster")
            except OperatorError as error:
                if self._problem != str(error):
                    self._problem = str(error)
                    _log.warning("the webhook's certificate could not be looked after: %s", error)
            except Exception:  # noqa: BLE001 -- a bug here must show in log and readiness, not end the loop unseen
                _log.exception("the webhook's certificate could not be looked after: a fault of the operator itself")
            await asyncio.sleep(pause)

    def tend(self) -> None:
        """Do one round: renew what is due, serve what is there, publish whom to trust.

        Raises
        ------
        OperatorError
            If the API server does not let us; StaleObjectError when another replica was faster.
        """
        secret, webhooks = self._objects.read_certificate(), self._objects.read_webhooks()
        stored = Bundle.from_data(_decoded(secret))
        bundle = tended(stored, now=self._now(), names=self._names, published=_published(webhooks))
        if bundle is not stored:
            data = {name: base64.b64encode(value).decode() for name, value in bundle.as_data().items()}
            self._objects.write_certificate(secret | {"data": data})
            _log.info("the webhook's certificate is renewed until %s", bundle.certificate.not_valid_after_utc)
        self._serve(bundle)
        trusted, path = base64.b64encode(bundle.trusted).decode(), f"/validate/{bundle.token}"
        if any(
            hook["clientConfig"].get("caBundle") != trusted or hook["clientConfig"]["service"].get("path") != path
            for hook in webhooks["webhooks"]
        ):
            self._objects.patch_webhooks(webhooks, trusted, path)

    def _serve(self, bundle: Bundle) -> None:
        data = bundle.as_data()
        if data["tls.crt"] != self._served:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            # It takes certificates from files only.
            with tempfile.NamedTemporaryFile(suffix=".pem") as file:
                Path(file.name).write_bytes(data["tls.crt"] + data["tls.key"])
                context.load_cert_chain(file.name)
            self._newest, self._served = context, data["tls.crt"]
        self.token = bundle.token
        CERTIFICATE_EXPIRY.set(bundle.certificate.not_valid_after_utc.timestamp())

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest


def _decoded(secret: Body) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, value in (secret.get("data") or {}).items():
        with suppress(ValueError):
            found[name] = base64.b64decode(value)
    return found


def _published(webhooks: Body) -> bytes:
    """Return what every webhook trusts today; nothing when they differ."""
    found = {hook["clientConfig"].get("caBundle") or "" for hook in webhooks["webhooks"]}
    return base64.b64decode(found.pop()) if len(found) == 1 else b""
