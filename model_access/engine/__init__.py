"""The inference engine. It runs inside the sandboxed worker, the only process that imports torch to serve."""
