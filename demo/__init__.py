"""The demo's models and data, made on the spot: scripts of their own, which the pipeline never imports."""
