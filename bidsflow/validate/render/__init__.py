"""A report in the forms that people and programs read, one module per form; each returns text and prints nothing."""
