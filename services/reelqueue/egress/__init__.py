"""Outgoing HTTP to addresses that strangers chose: webhook receivers, input URLs, result downloads.

What is promised:

- A URL is read once, by one strict parser (`destination`). Nothing reads it again: what was checked is what is sent.
- A name is resolved once for each connection, and every answer is checked (`addresses`). One forbidden answer refuses
  the name. The socket then goes to an address that was checked, never to the name (`connect`).
- This happens when a URL is accepted (`EgressClient.check`) and again for each new connection, so an answer that
  changes in between, or months later, changes nothing.
- Redirects are never followed for a POST. For a download each of at most three hops is checked like a new URL, and
  none may lead from https to http.
- One deadline covers the whole of it: lookup, connect, TLS, sending, waiting, reading, every hop. The head of an
  answer and its body are capped while they arrive. HTTP/1.1 only, no cookies, no proxies, no settings from the
  environment, no compressed answers.
- The caller of our API learns `destination_not_allowed` or `source_unreachable`, always in the same words. The stage
  and the cause are for the operator and stand on the exception. A name that leads to a forbidden address and one that
  does not exist look alike (`NoSuchName`), and no forbidden address is dialled, so nobody learns which names and
  ports there are in our network.

What is not:

- Answers are worded alike but not timed alike: a refused literal answers sooner than a name that must be looked up.
- A public address may still belong to us. Name our own hosts in `EgressPolicy.own_hosts`, and let the network refuse
  what the process must never reach: `deploy/network-policy.yaml` is made from `addresses` and `policy`.
- `EgressPolicy.allow` opens its networks to every tenant. It is there for a demo and for receivers on a private
  network that all tenants may call.
"""

from reelqueue.egress.answers import EgressResponse
from reelqueue.egress.client import EgressClient, FetchedFile, Sink, tls_context
from reelqueue.egress.errors import DestinationForbidden, EgressFailed, NoSuchName, Stage
from reelqueue.egress.policy import EgressPolicy, parse_networks
from reelqueue.egress.posting import Posting
from reelqueue.egress.resolver import Resolver, SystemResolver
from reelqueue.errors import UrlInvalid

__all__ = [
    "DestinationForbidden",
    "EgressClient",
    "EgressFailed",
    "EgressPolicy",
    "EgressResponse",
    "FetchedFile",
    "NoSuchName",
    "Posting",
    "Resolver",
    "Sink",
    "Stage",
    "SystemResolver",
    "UrlInvalid",
    "parse_networks",
    "tls_context",
]
