"""What several stages share: the corrected movie, regular traces, channels, ROIs that count."""
