"""What is done with a job, and who may do it.

The row decides. A worker that wants to work a job *claims* it: one statement raises the row's epoch and puts the
worker's name on it. From then on

    the database is authoritative for who holds the job, and for when a lease ends;
    the worker uses its own clock for one thing only: not to send a paid request when its lease may be over.

    queued ──bell──> held ──verdict──> released until due, or held for the next step, or done
                       │
                       └─ the worker falls silent for 30 s: the sweep raises the epoch and frees the job

What this rules out. A worker that slept through its lease, or was cut off from the database, writes nothing when it
comes back: each of its writes names an epoch that has passed. Two bells for one job make one claim. A bell that is
lost costs one sweep. A step that dies in any way leaves a row that the sweep finds within thirty-five seconds.

A paid turn. The intent is committed before the first byte of the instruction leaves (`steps/instruct.py`), by the
holder of the claim, once. Whoever finds an intent without an outcome looks at the upstream until it knows, and never
sends again. The one doubt that remains: a process frozen between the last look at its clock and the first byte can
still send its *one* instruction after the job was given up.

Every failure is decided towards not paying twice: where the outcome cannot be known the job says so.
"""
