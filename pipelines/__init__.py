"""The way of a groove, one module per stage: convert, examples, train, evaluate, generate, render, report."""
