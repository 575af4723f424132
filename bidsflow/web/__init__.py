"""The local page: curate a plan, browse a dataset, rate quality. Empty for now."""
