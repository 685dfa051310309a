# %% [markdown]
# # A sweep and its dashboard
#
# `-m` starts a job for each combination of the typed values. These are two seeds, with and without class weights, as four
# small trainings:

# %% language="bash"
# python -m ferlab.train -m seed=0,1 class_weights=none,balanced data.n_train=280 data.n_val=140 data.n_test=140 batch_size=64 trainer.max_epochs=2

# %% [markdown]
# The table at the end reports each job with its accuracy, or its error and the line that repeats it. It can be printed at any
# time, also while jobs still run:

# %% language="bash"
# python -m ferlab.sweeps outputs/sweeps/*

# %% [markdown]
# The same line with `skip_finished=true ckpt=last` does what is missing: finished runs stay, stopped ones go on.
#
# Evaluate each run by itself, then compare. Runs that differ in the seed alone are one row, with mean and deviation:

# %% language="bash"
# python -m ferlab.evaluate 'runs=outputs/five_layer-*' each=true tta=flip
# python -m ferlab.compare 'runs=outputs/five_layer-*' tta=flip
# python -m ferlab.summarise 'runs=outputs/five_layer-*'

# %% [markdown]
# `outputs/summary.html` shows curves, tables and reports of all of them, without an account anywhere.
#
# ## W&B
#
# Each run has written an offline run of W&B too. Offline runs wait in the run directories:

# %% language="bash"
# ls -d outputs/five_layer-*/wandb/offline-run-*

# %% [markdown]
# With an account, `wandb sync outputs/*/wandb/offline-run-*` sends them, and `wandb=online` sends the next ones as they train.
# Each carries its sweep, model, data and class weights as tags. `python -m tools.wandb_workspace ENTITY --sweep DATE` makes the
# dashboards of a sweep ([Sweeps and W&B](../sweeps.md#wb)).
