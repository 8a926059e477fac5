"""Everything Reelqueue knows of NemoVideo. Section numbers are those of `docs/upstream.md` ("contract").

NemoVideo is a conversational editing agent behind HTTP. A session is one timeline; a turn is one instruction to the
agent, answered by an SSE stream; an export is a job of its own whose id the caller chooses.

What the upstream promises
    - A session keeps its timeline between turns (§4.2). Its id is a string of digits and never a number.
    - The close of the stream is the end of the turn; there is no end event (§5.1).
    - A render id is the caller's, and may be used once (§4.7). Exporting costs no credits.
    - The draft goes back as it came: it is opaque JSON (§7.1).

What it does not promise
    - An idempotency key. Sending a message again does the work again and charges again (§4.3).
    - That work stops, or goes on, when a stream breaks. Finished, half finished, canceled and still running are all
      possible (§5.5). There is nothing to resume a stream by.
    - Words. About three edits in ten end without any (§6.2): the state tells what happened, not the silence.
    - One shape. Renders answer in two (§8.3), errors in four (§3), streams in two dialects (§5.6), and the state may
      lag behind the stream. So decoders are tolerant, ignore what they do not know, and fail loudly only where an
      answer cannot be acted on.

Who is authoritative for what
    - For whether a turn's request left us: the byte counter of the connection that carried it (`connect`,
      `guards`). It counts before it hands bytes over, so 0 is proof of "not sent" and anything else is no proof.
    - For whether a turn was refused before it began: an explicit answer on the closed list in `errors.turn_refused`.
    - For everything else that happened in a turn: the session's state and the credits, never the stream alone.

How failure is handled
    A turn gets a connection of its own: no reuse, no retry, no redirect, no HTTP/2, no proxy. The caller's gate runs
    when the connection stands and before the first byte, so that the intent is committed before anything can cost
    money. After that byte every break, every odd answer and every time-out is `TurnCut`: open, to be settled by
    observation. A wrong "interrupted" costs some minutes of polling; a wrong "not sent" would cost the customer a
    second charge. Where the two meet, this package takes the first.

    Other calls share kept connections (`lanes`), with a byte cap and a total deadline each (httpx limits single reads
    only). They raise `NotSent` when no byte left, `UpstreamUnavailable` when one may have, and otherwise the class
    that the one table in `errors` gives. Nothing here retries.

Secrets: a bearer token is in the headers of calls to the API's own origin and nowhere else. Texts of the upstream are
searched for it before they become part of an error or a report, and the frames of the HTTP library, which hold it in
local variables, are cut from the chain of causes.
"""
