"""Tests of the engines: what all of them do stands here, what only one does in a folder of its name."""
