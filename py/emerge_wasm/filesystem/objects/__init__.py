"""Reading and writing objects: their states, code, references and retention."""
