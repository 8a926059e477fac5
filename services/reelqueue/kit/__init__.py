"""Clock, ids, logs, metrics, HTTP: the ground floor. Nothing here knows what a job is."""
