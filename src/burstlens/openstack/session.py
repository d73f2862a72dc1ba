"""Who asks OpenStack, and where: an entry of ``clouds.yaml``, and requests that end in time."""

import asyncio
import contextlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import burstlens
from burstlens.errors import BurstlensError, Misconfigured, Unavailable
from burstlens.openstack.errors import meaning, translated
from burstlens.openstack.options import OpenStackOptions

if TYPE_CHECKING:
    from openstack.config import OpenStackConfig
    from openstack.connection import Connection
    from requests import Response

COMPUTE_VERSION = "2.52"
"""Nova's microversion in which a server is born with tags (Pike, 2017); pinned, so that answers have one shape."""
_THREADS = 8
"""Of these alone: a cloud that does not answer must not take the threads that everything else works in."""
_SERVICES = {"compute": "nova", "image": "glance", "network": "neutron"}
_VERSION_HEADER = "OpenStack-API-Version"
_TAG = re.compile(r"<[^>]*>")
_MAX_TEXT = 300

_T = TypeVar("_T")
Answer = Mapping[str, Any]
"""JSON in OpenStack's own shapes."""


def open_connection(options: OpenStackOptions) -> "Connection":
    """A client of the cloud that the options name; nobody is asked yet.

    It waits `request_seconds` for each part of an answer. `burstlens.openstack.errors.translated` translates what its
    methods raise.

    Raises:
        Misconfigured: there is no such entry, it cannot be read, or the extra `openstack` is not installed.
    """
    check_installed()
    from openstack.config import OpenStackConfig
    from openstack.connection import Connection

    with translated("clouds.yaml"), _mistrusted("clouds.yaml", Misconfigured):
        config = OpenStackConfig(app_name="burstlens", app_version=burstlens.__version__)
        name = options.cloud or config.default_cloud
        if not name:
            message = f"no OpenStack cloud: set openstack.cloud, or OS_CLOUD, to its name in {_looked_at(config)}"
            raise Misconfigured(message)
        if name not in config.get_cloud_names():
            message = f"no cloud {name!r} in {_looked_at(config)}: set openstack.cloud, or OS_CLOUD"
            raise Misconfigured(message)
        return Connection(config=config.get_one(name, api_timeout=options.request_seconds))


def check_installed() -> None:
    """Raise `Misconfigured` unless openstacksdk is there; importing it takes half a second, so this does not."""
    if importlib.util.find_spec("openstack") is None:
        message = "OpenStack needs the extra: pip install 'burstlens[openstack]'"
        raise Misconfigured(message)


def _looked_at(config: "OpenStackConfig") -> str:
    """The file that was read or, when there is none that can be, all that it may be."""
    named = os.environ.get("OS_CLIENT_CONFIG_FILE")
    places = ("./clouds.yaml", "~/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml")
    return config.config_filename or ", ".join((*([named] if named else []), *places))


class OpenStackSession:
    """The client of an adapter. It is opened by the first request; creating it asks nobody.

    Requests are plain ones, through the SDK's proxies, which know endpoints and tokens. The SDK's own objects would
    follow whatever links a cloud behind a proxy gives, repeat requests as ``clouds.yaml`` says, which for a server
    would be a second one, and take the answer of a half-dead endpoint for an empty one.

    Raises:
        Misconfigured: on creation, when the extra `openstack` is not installed.
    """

    def __init__(self, options: OpenStackOptions) -> None:
        check_installed()
        self._options = options
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._threads = ThreadPoolExecutor(_THREADS, "openstack")

    async def ask(
        self,
        service: str,
        method: str,
        path: str,
        key: str,
        *,
        params: Mapping[str, object] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> Answer:
        """The answer, which holds `key`; an empty one when `key` is empty, as for an answer without a body.

        Args:
            service: ``compute``, ``image`` or ``network``.
            method: of HTTP.
            path: below the service's endpoint.
            key: that an answer of success has to have.
            params: of the query.
            json: the body.

        Raises:
            BurstlensError: what the refusal means; `Unavailable` when there is no answer within `request_seconds`, or
                none that can be read.
        """
        connection = await self._opened()
        what = f"{_SERVICES[service]}: {method} {path}"

        def request() -> Answer:
            with translated(what), _mistrusted(what):
                proxy = getattr(connection, service)
                version = {"microversion": COMPUTE_VERSION} if service == "compute" else {}
                # The SDK must not repeat what may have happened.
                response = proxy.request(
                    path, method, params=params, json=json, connect_retries=0, status_code_retries=0, **version
                )
            return _read(response, key, what)

        return await self._in_thread(request, what)

    async def compute_pages(self, path: str, key: str, params: Mapping[str, object], limit: int) -> list[Any]:
        """All that nova lists under `key`, asked for in pages of `limit` or, where that is less, of what nova allows.

        Raises:
            BurstlensError: a page failed; a part is never returned.
        """
        items: list[Any] = []
        marker: dict[str, object] = {}
        while True:
            try:
                page = await self.ask("compute", "GET", path, key, params={**params, "limit": limit, **marker})
            except Misconfigured as error:
                if not marker:
                    raise
                # What the page before ended with is gone, so nobody can tell where this one begins.
                raise Unavailable(str(error)) from error
            items += items_of(page, key)
            last, marker = marker, _marker_after(page, key, path)
            if not marker:
                return items
            if marker == last:
                message = f"nova: GET {path}: the page after {marker['marker']} is the same again"
                raise Unavailable(message)

    async def project_id(self) -> str:
        """Id of the project that this session works in; empty if the token is for none."""
        connection = await self._opened()

        def ask() -> str:
            with translated("keystone"), _mistrusted("keystone"):
                return connection.session.get_project_id() or ""

        return await self._in_thread(ask, "keystone")

    async def close(self) -> None:
        """Release the connection and the threads, for good; what is still being asked ends unheard."""
        async with self._opening:
            if self._connection is not None:
                await asyncio.to_thread(self._connection.close)
                self._connection = None
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _opened(self) -> "Connection":
        async with self._opening:
            if self._connection is None:
                self._connection = await self._in_thread(lambda: open_connection(self._options), "clouds.yaml")
            return self._connection

    async def _in_thread(self, work: Callable[[], _T], what: str) -> _T:
        seconds = self._options.request_seconds
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.wait_for(future, seconds)
        except TimeoutError as error:
            message = f"{what}: no answer within {seconds:g} s"
            raise Unavailable(message) from error


@contextlib.contextmanager
def _mistrusted(what: str, means: type[BurstlensError] = Unavailable) -> Iterator[None]:
    """Turn what the SDK stumbles over in this block into our error: it reads entries, tokens and catalogs unchecked."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        message = f"{what}: what is there cannot be read: {type(error).__name__}: {error}"
        raise means(message) from error
    except OSError as error:
        # What the network does has another type by now: this is a file of certificates that is not there.
        message = f"{what}: {error}; check the cloud's entry in clouds.yaml"
        raise Misconfigured(message) from error


def _read(response: "Response", key: str, what: str) -> Answer:
    if not response.ok:
        raise meaning(response.status_code, _words(response), what, response.headers.get("Retry-After"))
    if not key:
        return {}
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or key not in answer:
        message = f"{what}: the answer holds no {key!r}: {_words(response)}"
        raise Unavailable(message)
    asked = response.request.headers.get(_VERSION_HEADER)
    if asked and asked != response.headers.get(_VERSION_HEADER):
        # It would ignore what it does not know: a server without its tags belongs to nobody.
        message = f"{what}: nova does not speak version {COMPUTE_VERSION} of its API; burstlens needs Pike (2017)"
        raise Misconfigured(message)
    return answer


def items_of(answer: Answer, key: str) -> list[Mapping[str, Any]]:
    """The list under this key of an answer.

    Raises:
        Unavailable: it is none of JSON objects, so the answer is not to be trusted.
    """
    items = answer[key]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        message = f"the answer's {key!r} are none: {str(items)[:_MAX_TEXT]}"
        raise Unavailable(message)
    return items


def text_of(item: object, key: str) -> str:
    """The text under this key of a part of an answer.

    Raises:
        Unavailable: there is none, so the answer is not to be trusted.
    """
    text = item.get(key) if isinstance(item, dict) else None
    if not isinstance(text, str):
        message = f"a part of the answer holds no {key!r}: {str(item)[:_MAX_TEXT]}"
        raise Unavailable(message)
    return text


def _marker_after(page: Answer, key: str, path: str) -> dict[str, object]:
    """Where the next page begins; empty when there is none."""
    try:
        if not any(link.get("rel") == "next" for link in page.get(f"{key}_links", ())):
            return {}
        # Not the link itself: behind a proxy it often leads nowhere.
        return {"marker": text_of(page[key][-1], "id")}
    except (AttributeError, IndexError, TypeError) as error:
        message = f"nova: GET {path}: the answer does not tell whether there is more"
        raise Unavailable(message) from error


def _words(response: "Response") -> str:
    """What an answer says, in one line: ``{"forbidden": {"code": 403, "message": …}}``, other JSON, or a page."""
    try:
        body = response.json()
    except ValueError:
        body = _TAG.sub(" ", response.text)
    if isinstance(body, dict) and len(body) == 1:
        (body,) = body.values()
    if isinstance(body, dict):
        body = body.get("message", body)
    return " ".join(str(body).split())[:_MAX_TEXT] or str(response.reason)
