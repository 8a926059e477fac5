"""The scenario language: what shall go wrong in a session, written down as YAML and chosen by an instruction.

`catalog.yaml` has the scenarios that are always there; `docs/scenarios.md` explains the language.
"""
