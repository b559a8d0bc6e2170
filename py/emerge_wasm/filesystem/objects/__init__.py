"""Reading and writing objects: their states, code, references and how many versions are kept."""
