"""The one error by which any step refuses a whole request; handlers turn it into the answer."""

import math


class Refusal(Exception):  # noqa: N818 -- the request is refused, nothing is broken
    """A request that is answered with an error and of which nothing is claimed.

    `error` is a stable word for programs, `detail` a sentence for people that names the fix. `retry_after_seconds`
    becomes Retry-After. `close` ends the connection, for when the rest of the request's body is not wanted.
    """

    def __init__(
        self, status: int, error: str, detail: str, *, retry_after_seconds: float | None = None, close: bool = False
    ) -> None:
        super().__init__(f"{status} {error}: {detail}")
        self.status = status
        self.error = error
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds
        self.close = close

    def headers(self) -> dict[str, str]:
        """Return the headers that go with the answer."""
        headers = {}
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after_seconds)))
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.close:
            headers["Connection"] = "close"
        return headers
