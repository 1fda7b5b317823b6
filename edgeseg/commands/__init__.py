"""The verbs of the command line: one module each, with `register(app)` and light imports."""
