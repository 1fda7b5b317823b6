"""Segmentation before deep learning: the baselines."""
