"""From bytes to `Series`: what a scanner export holds, by headers alone.

Comes in: paths of files. Goes out: frozen `Header`, `Series` and `Inventory` values, and a reason for each file
that is set aside. Never reads pixel data, never writes into an export, never names anything in BIDS terms.
"""
