"""The engines that pipelines call: bias field, brain, head, tissue, motion, template, diffusion, BOLD maps.

Every step is a function of paths and plain values that writes its files into the current folder and returns a
`NamedTuple`; around a core of functions of arrays. Steps are deterministic (the same input gives the same numbers, with
any number of threads), download nothing, and know neither nipype nor BIDS. What each costs, how exact it is and where
it fails is in docs/engines.md.
"""
