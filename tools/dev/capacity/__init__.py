"""What Consentry carries and costs, on paper: `python -m dev.capacity` writes the tables of two pages."""
