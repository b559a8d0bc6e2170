"""Copies of a subtree, kept up to date from the change log of the filesystem that owns it. Awaits stores, nothing else.

A follower makes requests, a leader answers them; whoever holds both ends carries them between. No sockets, no clock.
"""
