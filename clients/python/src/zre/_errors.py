"""The exceptions of package zre."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


__all__ = [
    "Error", "CommandError", "InvalidCommand", "InvalidValue", "MessagesLost", "NodeEnded", "NoHandler", "PeerBusy", "PeerGone", "ReplyError", "TimedOut",
    "TooLarge", "UnknownPeer", "UnreadEvents",
]


class Error(Exception):
    """The base class of all errors of this package."""


class NodeEnded(Error):
    """The node is closed, or its program ended by itself: ``status`` is its exit status, ``output`` the last lines of its standard error."""

    def __init__(self, status: int | None, output: str) -> None:
        super().__init__("the node has ended" + (f" with status {status}" if status else "") + f": {output}")
        self.status, self.output = status, output


class UnreadEvents(Error):
    """Too many unread events come before the answer to a command. The command may have been done."""


class MessagesLost(Error):
    """The node was closed before these messages were sent: ``losses`` has peer, name, messages, bytes and error for each peer."""

    def __init__(self, losses: Sequence[Mapping[str, Any]]) -> None:
        super().__init__("; ".join(str(loss["error"]) for loss in losses))
        self.losses = losses


class CommandError(Error):
    """A command failed: ``code`` is one of those that ``zre pipe --help`` lists."""

    code = ""


class InvalidCommand(CommandError, ValueError):
    """The command is malformed, for example its peer is not a UUID."""


class InvalidValue(CommandError, ValueError):
    """A group, state, endpoint or domain is invalid, for example a group name longer than 255 bytes."""


class TooLarge(CommandError, ValueError):
    """The message is larger than peers accept: 64 MiB, or 1,023 frames."""


class PeerGone(CommandError):
    """The peer left before it replied. It may have handled the request."""


class UnknownPeer(PeerGone, LookupError):
    """No such peer is present: it left, or was never there. Nothing was sent to it."""


class PeerBusy(CommandError):
    """The peer reads nothing, and the list of commands that wait for it is full."""


class TimedOut(CommandError, TimeoutError):
    """There was no answer in time."""


class ReplyError(CommandError):
    """The peer's program answered a request with an error."""


class NoHandler(CommandError):
    """The program of the peer does not handle such requests."""


_CLASSES = {
    "command": InvalidCommand, "invalid": InvalidValue, "too_large": TooLarge, "unknown_peer": UnknownPeer, "busy": PeerBusy, "peer_gone": PeerGone,
    "timeout": TimedOut, "reply_error": ReplyError, "no_handler": NoHandler,
}


def error_of(code: str, text: str) -> CommandError:
    """Returns the exception for an error event."""
    error = _CLASSES.get(code, CommandError)(text)
    error.code = code
    return error
