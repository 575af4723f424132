"""Self-contained HTML pages: an inventory, a plan with its evidence, image mosaics, issues.

Comes in: neutral values (`values`) and NIfTI images. Goes out: one HTML text (`page.render`) or file (`write.save`)
that needs no network, no server and no second file. Never knows what a series, a plan or an issue is: whoever has
them says what the columns are. Never shows more than it was given: private data is the caller's to leave out.
"""
