"""What Consentry carries and costs, on paper: `python -m capacity` writes the tables of two pages."""
