"""The scripted agent, laid out as ADK's loader wants it."""

from . import agent as agent
