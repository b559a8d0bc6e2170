"""The messages between page and kernel: the types of web/protocol.ts, to which a test compares these.

Each request's arguments are declared here; its handler's return type is its answer. All messages are JSON data.
Declarations only; imports no js.
"""
