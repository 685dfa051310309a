"""Commands that run side by side: the record of a sweep, the plan of a paper, the scheduler that runs them."""
