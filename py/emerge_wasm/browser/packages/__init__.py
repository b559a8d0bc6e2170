"""The packages that cells import: loaded from the relay when a cell needs them."""
