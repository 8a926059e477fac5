"""The application as a server process imports it."""

from __future__ import annotations

from fastapi import FastAPI

from reelqueue.gateway.app import create_app
from reelqueue.kit.acting import NOBODY
from reelqueue.kit.logs import configure_logs
from reelqueue.settings import load_settings
from reelqueue.wiring.services import Services


def app_factory() -> FastAPI:
    """The application with the services that the environment describes. Raises `SettingsInvalid`."""
    settings = load_settings()
    configure_logs(process="gateway", style=settings.log_format, level=settings.log_level)
    return create_app(Services(settings, process="gateway", whose=NOBODY))
