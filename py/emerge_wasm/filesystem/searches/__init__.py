"""Find objects: query plans and their execution, ordering, aggregates and full text."""
