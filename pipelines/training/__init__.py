"""How a run is trained: `run` from its folder to its end, `loop` step after step, and what each of them needs."""
