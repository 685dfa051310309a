import ferlab  # noqa: F401  # it keeps libraries from reporting to their makers, before any is imported
