"""Nodes that know each other: who is here, what they tell each other, who has what."""
