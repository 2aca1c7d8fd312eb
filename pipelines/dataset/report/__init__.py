"""What a conversion counts, as report.json, on a terminal and as a page."""
