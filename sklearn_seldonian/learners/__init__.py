"""What trains under constraints."""
