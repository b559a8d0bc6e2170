"""Finding objects: plans and how they are carried out, orders, figures, words."""
