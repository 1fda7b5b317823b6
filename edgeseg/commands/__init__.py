"""The verbs of the command line, one module each with `register(app)`; imports inside the verbs stay light."""
