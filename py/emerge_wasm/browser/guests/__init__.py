"""Workers that run the code of others, closed in; and the consent that is asked for before."""
