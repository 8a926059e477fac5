"""The HTTP API.

What this package promises:

- **202 means committed.** `POST /v1/jobs` answers after the files are durable and the rows are committed, and
  touches no broker on the way.
- **A refusal leaves nothing.** Limits are checked before parsing, parsing before any look into the database, and the
  database before any file is kept.
- **No answer repeats what was refused.** Problems name the place and the rule, never the value.
- **Another tenant's id is an id that never was**: the same bytes, save the request id.

Every route is `async` and hands each call that can block to a thread; the few that wait for something (`Prefer: wait`,
event streams) wait on the hub, not in a thread.
"""
