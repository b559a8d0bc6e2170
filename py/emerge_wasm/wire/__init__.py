"""The zerorpc version-3 event protocol, sans-I/O: bytes and times in, bytes and outcomes out.

`event` packs and reads one event, `client` and `server` are the two ends of the channels, `call` puts futures
on the client end. One event is one ZeroMQ message, or one binary WebSocket message.
No sockets, clocks or threads here: only msgpack, the codec and the standard library.
"""
