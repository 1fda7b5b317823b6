"""Configuration, losses and the training loop."""
