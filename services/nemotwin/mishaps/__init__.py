"""Every fault the twin knows (`contract §15.2`), and the table that names them."""

from nemotwin.mishaps.catalog import CATALOG

__all__ = ["CATALOG"]
