"""`consentry proof`: what proves somebody's consent, as a page to print."""
