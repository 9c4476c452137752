"""CNMF-E, our own."""
