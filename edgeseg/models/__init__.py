"""Architectures: one file each, built with the Keras module that is passed in."""
