"""Celery, and nothing but Celery: it carries doorbells from the dispatcher to worker threads.

No result backend, no retry, no ETA, no chain: a lost or doubled message does no harm, because the row decides.
"""
