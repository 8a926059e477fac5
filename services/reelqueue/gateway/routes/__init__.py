"""The routes, one module a resource. Each names its paths and scopes, and calls one use case."""
