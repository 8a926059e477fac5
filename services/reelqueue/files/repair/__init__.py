"""Repairs of pictures that NemoVideo would not take: other formats, and files over the limit.

Decoders of pictures are large programs in C that have been broken before, so none runs in the gateway. `Workshop`
starts a process for each picture, `child` confines itself before it looks at a byte, and what comes back is looked at
like an upload. `child`, `picture` and `fitting` run there; they are the only modules that import Pillow.
"""
