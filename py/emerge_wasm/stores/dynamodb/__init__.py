"""The DynamoDB engine: many stores in a table, each for many nodes at once. Must not be imported in a browser."""
