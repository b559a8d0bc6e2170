"""The PostgreSQL engine: a schema is a store, which several processes may write to. Not for browsers."""
