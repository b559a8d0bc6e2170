"""The S3 engine: slatedb in a bucket, for one process at a time. Must not be imported in a browser."""
