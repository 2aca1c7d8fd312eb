"""How a run is trained: `setup` before its first step, `loop` step after step, and what each of them needs."""
