"""A stateful stand-in for the NemoVideo API.

It answers every endpoint of `contract §4.1` to `§4.11` from its own memory, streams agent turns the way an ADK server
does (`contract §5`), charges credits, makes real MP4s out of the uploaded pictures, and can be told to go wrong. It
runs on a virtual clock, so that a generation of five minutes takes as long as the caller can afford.

Start it with `nemotwin`; steer it with the `/_twin/*` routes that `nemotwin.control` describes.
"""
