"""Rows, columns, preprocessing and the split into candidate and safety data."""
