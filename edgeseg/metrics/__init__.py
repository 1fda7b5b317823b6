"""Measures of accuracy and stability, numpy only."""
