"""TO ITS AUTHOR: the first text of this file (the schedule of webhook tries) was overwritten by mistake at 17:44, and
no copy of it exists. Please write it again over this note. What overwrote it now lives in `domain/outgoing.py`.
"""
