"""A ZRE node for asyncio: programs find each other without a server, join groups and send messages.

The node itself is the program ``zre`` (https://github.com/go-zre/go-zre), which this module runs as ``zre pipe`` and drives::

    async with zre.Node(name="alice", groups=["CHAT"]) as node:
        async for event in node.events():
            match event:
                case zre.Event(kind="join", group="CHAT"):
                    await node.whisper(event.peer, "welcome")
                case zre.Event(kind="shout"):
                    print(event.name, "says", event.text)

What a method sends is in order. It returns when the node has queued it; ``flush`` waits until the peer has read it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import shutil
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Union

from . import _errors
from ._errors import *  # noqa: F403
from ._errors import Error, MessagesLost, NodeEnded, UnreadEvents, error_of

__all__ = ["Node", "Event", "Peer", *_errors.__all__]

Frame = Union[str, bytes]
Option = Union[str, int, float, bool, Sequence[str], None]

log = logging.getLogger("zre")

_START_TIMEOUT = 15.0  # seconds
_MAX_BUFFERS = 8  # while commands wait for answers, a node may hold events of this many times its buffer
_OVERHEAD = 1000  # bytes of an event in addition to its content


@dataclass(frozen=True)
class Event:
    """An event: ``kind`` is enter, exit, join, leave, whisper, shout, request, state, headers, leader, evasive, silent, problem or error.

    ``zre pipe --help`` lists the fields of each; ``data`` has all of them as JSON.
    """

    kind: str
    peer: str = ""  #: the UUID of the peer
    name: str = ""  #: the name of the peer
    group: str = ""
    frames: tuple[bytes, ...] = ()  #: the message, of a whisper, shout or request
    state: str = ""
    reason: str = ""  #: of an exit: left, crashed, expired, lost messages, replaced, not responding or unreachable
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def text(self) -> str:
        """The first frame as text."""
        return self.frames[0].decode(errors="replace") if self.frames else ""


@dataclass(frozen=True)
class Peer:
    """A peer that is present."""

    uuid: str
    name: str
    endpoint: str = ""
    transport: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    state: str = ""  #: its state; "" if the peer has none
    queued_messages: int = 0
    queued_bytes: int = 0


class Node:
    """A node, from the start to the end of an ``async with``.

    ``cert`` is the certificate of a secure node (``zre keygen`` makes it), ``authorize`` files or folders of the certificates that may enter.
    ``options`` are the other options of ``zre pipe``, with ``_`` in place of ``-``: ``port=5670``, ``peer=["tcp://robot:5671"]``,
    ``no_beacons=True``. With ``discard`` the node has no events: for programs that only send.

    ``buffer`` bounds the bytes of events that wait for :meth:`events`. When it is full, the node stops reading from the network,
    unless a command waits for its answer, which may come after more events. Beyond eight times the buffer, such a command fails with :class:`UnreadEvents`.

    ``program`` is the path of ``zre``; by default what the environment's ``ZRE_TOOL`` says, else the one of ``PATH``.
    """

    uuid: str = ""
    name: str = ""
    endpoint: str = ""  #: where peers reach this node

    def __init__(self, name: str = "", *, groups: Sequence[str] = (), headers: Mapping[str, str] | None = None, cert: str | os.PathLike[str] | None = None,
                 authorize: Sequence[str | os.PathLike[str]] = (), discard: bool = False, buffer: int = 8 << 20, program: str | os.PathLike[str] | None = None,
                 **options: Option) -> None:
        options |= {"name": name or None, "group": list(groups), "discard": discard, "cert": os.fspath(cert) if cert else None,
                    "header": [f"{key}={value}" for key, value in (headers or {}).items()], "authorize": [os.fspath(path) for path in authorize]}
        self._args = _arguments(options)
        self._program = os.fspath(program or os.environ.get("ZRE_TOOL") or shutil.which("zre") or "zre")
        self._discard, self._buffer = discard, buffer
        self._queue: deque[tuple[Event, int]] = deque()
        self._size = 0  # of the queue
        self._changed, self._room = asyncio.Event(), asyncio.Event()
        self._pending: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._answers: dict[int, dict[str, Any]] = {}  # that came before the ok
        self._last = 0  # id of a command
        self._lost: list[dict[str, Any]] = []
        self._errors: deque[str] = deque(maxlen=50)  # lines of stderr
        self._closing = self._finished = False
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Node:
        pipe = asyncio.subprocess.PIPE
        try:  # in a session of its own: what ends this program from the terminal ends the node after it, with a farewell
            self._process = await asyncio.create_subprocess_exec(self._program, "pipe", *self._args, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except OSError as error:
            raise Error(f"the program zre cannot be run ({error}); https://github.com/go-zre/go-zre tells how to install it") from error
        self._ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_errors())]
        try:
            await asyncio.wait_for(self._ready, _START_TIMEOUT)
        except BaseException as error:
            await self._end(0)
            if isinstance(error, asyncio.TimeoutError):
                raise Error(f"{self._program} was not ready within {_START_TIMEOUT:.0f} s") from None
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self.close()
        except MessagesLost:
            if kind is None:
                raise

    async def close(self, timeout: float = 20) -> None:
        """Sends what is queued, for up to the option ``linger`` (5 s), and leaves the network. It raises MessagesLost if something was not sent."""
        if self._process is None or self._closing:
            return
        await self._end(timeout)
        if self._lost:
            raise MessagesLost(self._lost)

    async def events(self) -> AsyncIterator[Event]:
        """Yields events until the node is closed. It raises NodeEnded if the node ended by itself."""
        while True:
            while self._queue:
                event, size = self._queue.popleft()
                self._size -= size
                if self._size <= self._buffer:
                    self._room.set()
                yield event
            if self._finished:
                if not self._closing:
                    raise self._ended()
                return
            self._changed.clear()
            await self._changed.wait()

    async def join(self, group: str) -> None:
        await self.command("join", group=group)

    async def leave(self, group: str) -> None:
        await self.command("leave", group=group)

    async def shout(self, group: str, *frames: Frame) -> None:
        """Sends a message to all members of a group."""
        await self.command("shout", group=group, frames=_encode(frames))

    async def whisper(self, peer: str, *frames: Frame) -> None:
        """Sends a message to the peer with that UUID."""
        await self.command("whisper", peer=str(peer), frames=_encode(frames))

    async def request(self, peer: str, *frames: Frame, timeout: float = 10) -> tuple[bytes, ...]:
        """Sends a request to a peer and returns the reply. Errors: TimedOut, ReplyError, NoHandler, PeerGone, UnknownPeer."""
        return _decode(await self.command("request", peer=str(peer), frames=_encode(frames), timeout=_milliseconds(timeout)))

    async def reply(self, request: Event, *frames: Frame) -> None:
        """Answers an event of kind request, once."""
        await self.command("reply", request=request.data["request"], frames=_encode(frames))

    async def reply_error(self, request: Event, text: str) -> None:
        """Answers a request with an error: the peer gets a ReplyError."""
        await self.command("reply-error", request=request.data["request"], error=text)

    async def flush(self, peer: str, timeout: float = 10) -> None:
        """Waits until a peer has read what was sent to it."""
        await self.command("flush", peer=str(peer), timeout=_milliseconds(timeout))

    async def ping(self, peer: str, timeout: float = 10) -> float:
        """Returns how many seconds a peer takes to answer."""
        pong = await self.command("ping", peer=str(peer), timeout=_milliseconds(timeout))
        return float(pong["rtt_ms"]) / 1000

    async def set_state(self, state: str) -> None:
        """Sets the state of this node: init, error, idle, receiving or processing."""
        await self.command("state", state=state)

    async def peers(self) -> list[Peer]:
        """Returns the peers that are present."""
        return [Peer(p["peer"], p["name"], p["endpoint"], p["transport"], p.get("headers", {}), tuple(p.get("groups", ())), p.get("state", ""),
                     p.get("queued_messages", 0), p.get("queued_bytes", 0)) for p in (await self.command("peers"))["peers"]]

    async def command(self, cmd: str, **keys: Any) -> dict[str, Any]:
        """Runs any command of ``zre pipe`` (see its ``--help``), and returns the fields of the event that answers it, if there is one."""
        if self._process is None or self._process.stdin is None or self._closing or self._finished:
            raise self._ended()
        self._last = id = self._last + 1
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pending[id] = answer
        self._room.set()  # the answer may come after events that have no room
        try:
            self._process.stdin.write(json.dumps({"cmd": cmd, "id": id, **keys}).encode() + b"\n")  # the answer limits how much one caller writes
            return await answer
        finally:
            self._pending.pop(id, None)
            self._answers.pop(id, None)

    async def _read(self) -> None:
        """Handles the lines of the program until it ends."""
        assert self._process and self._process.stdout
        parts: list[bytes] = []
        try:
            while chunk := await self._process.stdout.read(1 << 16):
                head, *lines = chunk.split(b"\n")
                parts.append(head)
                for line in lines:
                    await self._handle(b"".join(parts))
                    parts = [line]
        except ValueError:  # not JSON: this is another program
            log.exception("%s is not zre", self._program)
        finally:
            if not self._closing:  # the program ended; wait for its status and its errors
                await asyncio.wait([asyncio.ensure_future(self._process.wait()), self._tasks[1]], timeout=1)
            self._finished = True
            self._changed.set()
            for future in [*self._pending.values(), self._ready]:
                if not future.done():
                    future.set_exception(self._ended())
                    future.exception()  # retrieved, in case nothing awaits it

    async def _handle(self, line: bytes) -> None:
        data: dict[str, Any] = json.loads(line)
        kind, id = data.pop("event"), data.get("id")
        if id is not None:
            self._answer(kind, id, data)
        elif kind == "ready":
            self.uuid, self.name, self.endpoint = data["uuid"], data["name"], data["endpoint"]
            if not self._ready.done():
                self._ready.set_result(data)
        elif kind == "error" and "messages" in data:
            self._lost.append(data)
        elif kind == "endpoint":
            self.endpoint = data["endpoint"]
        elif not self._discard:
            await self._enqueue(Event(kind, frames=_decode(data), headers=data.get("headers", {}), data=data,
                                  **{key: data.get(key, "") for key in ("peer", "name", "group", "state", "reason", "error")}), len(line) + _OVERHEAD)

    def _answer(self, kind: str, id: int, data: dict[str, Any]) -> None:
        future = self._pending.get(id)
        if future is None or future.done():  # nobody waits any more
            return
        if kind == "error":
            future.set_exception(error_of(data.get("code", ""), data["error"]))
        elif kind == "ok":
            future.set_result(self._answers.pop(id, data))
        else:
            self._answers[id] = data

    async def _enqueue(self, event: Event, size: int) -> None:
        """Queues an event, and waits while there is no room for more."""
        if self._closing and self._size >= _MAX_BUFFERS * self._buffer:
            return  # perhaps nothing reads events any more
        self._queue.append((event, size))
        self._size += size
        self._changed.set()
        while self._size > self._buffer and not self._closing:
            waiting = [future for future in self._pending.values() if not future.done()]
            if waiting and self._size < _MAX_BUFFERS * self._buffer:
                return
            for future in waiting:
                future.set_exception(UnreadEvents(f"{len(self._queue)} unread events come before the answer: send in one task, and read events in another"))
            self._room.clear()
            await self._room.wait()

    async def _read_errors(self) -> None:
        """Logs the lines of standard error, and keeps the last ones."""
        assert self._process and self._process.stderr
        while chunk := await self._process.stderr.read(1 << 13):
            for line in chunk.decode(errors="replace").splitlines():
                self._errors.append(line)
                log.warning("%s", line)

    async def _end(self, timeout: float) -> None:
        """Ends the program, which leaves the network; kills it if it takes too long."""
        assert self._process and self._process.stdin
        self._closing = True
        self._room.set()
        self._changed.set()
        try:
            self._process.stdin.close()  # after what was written; its end quits
            await asyncio.wait(self._tasks, timeout=timeout)
        finally:
            if self._process.returncode is None and not all(task.done() for task in self._tasks):
                self._process.kill()
            for task in self._tasks:
                task.cancel()
            await self._process.wait()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self) -> NodeEnded:
        status = self._process.returncode if self._process else None
        return NodeEnded(status, "\n".join(self._errors) or ("it is closed" if self._closing else "it is not running"))


def _arguments(options: Mapping[str, Option]) -> list[str]:
    args = []
    for key, value in options.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is not None and one is not False:
                args.append(f"--{key.replace('_', '-')}" + ("" if one is True else f"={one}"))
    return args


def _encode(frames: Sequence[Frame]) -> list[str]:
    return [base64.b64encode(frame.encode() if isinstance(frame, str) else frame).decode() for frame in frames]


def _decode(data: Mapping[str, Any]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(frame) for frame in data.get("frames", ()))


def _milliseconds(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
