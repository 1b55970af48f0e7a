"""The operator as a process of its own that can be killed, with Kafka, registry and MySQL in its parent's memory.

Everything else in it is the real thing: entry point, kopf, loops, reconciler, Kubernetes gateway. The process is forked
from a server that has imported all of it, so that a start costs a tenth of a second instead of two.
"""

import asyncio
import contextlib
import dataclasses
import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from multiprocessing.managers import BaseManager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from holded_operator.exceptions import OperatorError
from tests.support.fake_writes import Writes

_KEY = b"operator"
_SYSTEMS = ("kafka", "registry", "database")
_PRELOAD = ["holded_operator.__main__", "tests.support.operator_process"]


class CutOffError(ConnectionError):
    """The operator died during this call."""


class DeadlyWrites(Writes):
    """Writes that kill the operator's process at the k-th, however they came to be."""

    def __init__(self) -> None:
        super().__init__()
        self.kill: Callable[[], None] = lambda: None
        self.killed_at: str | None = None
        self._lock = threading.Lock()

    def arm(self, k: int, *, after_effect: bool) -> None:
        """Kill at the k-th write from now on."""
        with self._lock:
            self.tried, self.kill_at, self.kill_after_effect = 0, k, after_effect

    def begin(self, what: str) -> None:
        with self._lock:
            self.tried += 1
            due = self.tried == self.kill_at and not self.kill_after_effect
        if due:
            self._die(what)

    def end(self, what: str) -> None:
        with self._lock:
            self.done.append(what)
            due = self.tried == self.kill_at and self.kill_after_effect
        if due:
            self._die(what)

    def _die(self, what: str) -> None:
        self.killed_at, self.kill_at = what, None
        self.kill()
        raise CutOffError(what)


class _Answering:
    """The parent's side: calls a fake, and packs what it raises."""

    def __init__(self, fake: object) -> None:
        self._fake = fake

    def call(self, name: str, *arguments: Any, **options: Any) -> Any:
        try:
            return None, getattr(self._fake, name)(*arguments, **options)
        except OperatorError as error:
            return (type(error), str(error), vars(error)), None


class _Asking:
    """The operator's side: looks like the gateway."""

    def __init__(self, proxy: Any) -> None:
        self._proxy = proxy

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*arguments: Any, **options: Any) -> Any:
            raised, value = self._proxy.call(name, *arguments, **options)
            if raised is None:
                return value
            kind, text, attributes = raised
            error = kind.__new__(kind)
            Exception.__init__(error, text)
            vars(error).update(attributes)
            raise error

        return ask


class OperatorProcess:
    """Starts, kills and starts again."""

    def __init__(self, kubeconfig: Path, log: Path, systems: Mapping[str, object], **config: Any) -> None:
        class Systems(BaseManager):
            pass

        for name in _SYSTEMS:
            Systems.register(name, callable=lambda fake=systems[name]: _Answering(fake))
        self._server = Systems(("127.0.0.1", 0), _KEY).get_server()
        threading.Thread(target=self._serve, daemon=True).start()
        self._kubeconfig, self._log, self._config = kubeconfig, log, config
        self._fork = multiprocessing.get_context("forkserver")
        self._fork.set_forkserver_preload(_PRELOAD)
        self._process: BaseProcess | None = None
        self.starts = 0

    def _serve(self) -> None:
        with contextlib.suppress(SystemExit):
            self._server.serve_forever()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    def start(self) -> None:
        arguments = (str(self._kubeconfig), str(self._log), self._server.address, self._config)
        self._process = self._fork.Process(target=_operate, args=arguments, daemon=True)
        self._process.start()
        self.starts += 1

    def kill(self) -> None:
        """Kill it as the kernel does, and see it dead."""
        if self._process is not None:
            self._process.kill()
            self._process.join()

    def close(self) -> None:
        self.kill()
        self._server.stop_event.set()  # type: ignore[attr-defined]


def _operate(kubeconfig: str, log: str, address: Any, options: dict[str, Any]) -> None:
    """Run in the operator's process."""
    import kubernetes.config

    from holded_operator.__main__ import run
    from holded_operator.config import OperatorConfig
    from holded_operator.context import Production
    from holded_operator.handlers.logs import configure_logging

    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # Read at import from the environment, which was another one then.
    for module in (kubernetes.config, kubernetes.config.kube_config):
        module.KUBE_CONFIG_DEFAULT_LOCATION = kubeconfig

    class Systems(BaseManager):
        pass

    for name in _SYSTEMS:
        Systems.register(name)
    systems = Systems(address, _KEY)
    systems.connect()

    def connect(config: OperatorConfig, leading: Callable[[], bool]) -> Production:
        real = Production.connect(config, leading)
        fakes: dict[str, Any] = {name: _Asking(getattr(systems, name)()) for name in _SYSTEMS}
        return dataclasses.replace(real, context=dataclasses.replace(real.context, **fakes))

    config = OperatorConfig(migrations_dir=Path("/nowhere"), **options)
    configure_logging(config)
    asyncio.run(run(config, connect))
