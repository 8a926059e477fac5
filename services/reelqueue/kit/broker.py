"""Whether the broker is there. Bells themselves go through Celery, in `worker/`."""

from __future__ import annotations

import redis

ANSWER_S = 2.0


def broker_answers(url: str) -> bool:
    """One PING on a connection of its own. False for any failure, within two seconds or so."""
    client = redis.Redis.from_url(url, socket_connect_timeout=ANSWER_S, socket_timeout=ANSWER_S)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
