"""What looks at results by itself: measured each for itself, then held against the others of their row and column.

A row are the results of one model, a column those of one garment. `vocabulary`, `records`, `limits` and `compare` need
no package; `measures`, `alignment`, `palettes`, `faces` and `rows` need numpy, and are imported only where the layer
`vision` is. A check that fails, or cannot look, never costs a picture: the result is unchecked, and says why.
"""
