"""Camera frames through the model; no tensorflow."""
