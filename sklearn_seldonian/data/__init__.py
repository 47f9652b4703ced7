"""Rows, columns, preprocessing and the split."""
