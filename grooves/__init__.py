"""What a groove is: its type and layout, transforms, time, tokens, windows, kits, metadata. NumPy alone."""
