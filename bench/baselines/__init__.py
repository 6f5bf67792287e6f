"""What the field does without us: plain clients with none of the chassis' guarantees."""
