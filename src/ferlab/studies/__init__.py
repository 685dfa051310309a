"""What else can be measured of a run: one module and one page for each kind."""
