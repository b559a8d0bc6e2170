"""The older project's base of all objects."""

from .core.objects import EmergeObject

EmergeData = EmergeObject
