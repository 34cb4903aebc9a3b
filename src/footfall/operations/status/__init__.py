"""`footfall status`: `collect` gathers the document, `show` prints it once, `watch` again and again."""
