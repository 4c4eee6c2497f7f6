"""The exceptions of package zre."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Error(Exception):
    """All errors of this package."""


class NodeEnded(Error):
    """The node is closed, or its program ended by itself: ``status`` is its exit status, ``output`` what it said on standard error."""

    def __init__(self, status: int | None, output: str) -> None:
        super().__init__("the node has ended" + (f" with status {status}" if status else "") + f": {output}")
        self.status, self.output = status, output


class UnreadEvents(Error):
    """The answer to a command could not be read, since too many events wait to be read. The command may have been done."""


class MessagesLost(Error):
    """The node was closed before these messages were sent: ``losses`` has peer, name, messages, bytes and error for each peer."""

    def __init__(self, losses: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(str(loss["error"]) for loss in losses))
        self.losses = losses


class CommandError(Error):
    """A command failed: ``code`` says in a word why, as ``zre pipe --help`` lists it."""

    code = ""


class InvalidCommand(CommandError, ValueError):
    """The command is not as it must be, for instance a peer that is not a UUID."""


class InvalidValue(CommandError, ValueError):
    """A group, state, endpoint or domain is not one, for instance a name longer than 255 bytes."""


class TooLarge(CommandError, ValueError):
    """The message is larger than peers accept: 64 MiB, or 1,023 frames."""


class UnknownPeer(CommandError, LookupError):
    """No such peer is present: it has left, or never came."""


class PeerBusy(CommandError):
    """The peer takes no messages, and enough wait for it already."""


class PeerGone(CommandError):
    """The peer left before its reply came. Whether it has done what was asked is not known."""


class TimedOut(CommandError, TimeoutError):
    """There was no answer in time."""


class ReplyError(CommandError):
    """The peer's program answered a request with an error."""


class NoHandler(ReplyError):
    """The peer has nothing that answers requests."""


_CLASSES = {
    "command": InvalidCommand, "invalid": InvalidValue, "too_large": TooLarge, "unknown_peer": UnknownPeer, "busy": PeerBusy, "peer_gone": PeerGone,
    "timeout": TimedOut, "reply_error": ReplyError, "no_handler": NoHandler,
}


def error_of(code: str, text: str) -> CommandError:
    """Returns the exception for an error event."""
    error = _CLASSES.get(code, CommandError)(text)
    error.code = code
    return error
