"""Several machines that train one run: their addresses, their servers, and what happens when one is lost."""
