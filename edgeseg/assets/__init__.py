"""The bundled models and their card."""
