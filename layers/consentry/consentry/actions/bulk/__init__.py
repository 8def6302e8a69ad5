"""Many people at once: what a file says of them, or asks of them. For the command line and the function `bulk`."""
