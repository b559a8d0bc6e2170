"""The older project's package of that name: `core.client`, `core.objects`."""

from . import client as client
from . import objects as objects
