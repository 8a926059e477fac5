"""The first thing every process does: read the settings, set up the logs."""

from __future__ import annotations

from reelqueue.kit.logs import configure_logs
from reelqueue.settings import load_settings
from reelqueue.wiring.services import Services


def services_for(process: str) -> Services:
    """The adapters of this process. Raises `SettingsInvalid`."""
    settings = load_settings()
    configure_logs(process=process, style=settings.log_format, level=settings.log_level)
    return Services(settings, process=process)
