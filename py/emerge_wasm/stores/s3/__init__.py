"""The S3 engine."""
