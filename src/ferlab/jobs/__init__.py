"""Commands that run side by side: the plan of a paper as jobs, and the scheduler that runs them."""
