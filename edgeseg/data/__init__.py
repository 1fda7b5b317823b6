"""Readers, augmentation and the input pipeline."""
