"""Array functions on traces: filters, phase, multitaper spectra, events, deconvolution."""
