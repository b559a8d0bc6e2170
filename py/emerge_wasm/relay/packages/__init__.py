"""The packages that cells can import: wheels that the page brings, an operator's folders, and what indexes offer."""
