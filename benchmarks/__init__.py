"""Speed, accuracy and stability next to the peers, as one report."""
