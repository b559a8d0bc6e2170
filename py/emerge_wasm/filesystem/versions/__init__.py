"""The change log, and comparing and restoring versions."""
