"""Protocol drift: what was measured, held against what was planned and against what is usual in the study.

Comes in: an inventory with its plan, or a dataset; what a study expects. Goes out: findings. Writes nothing, and knows
nothing of people: subjects are those of the plan or of the dataset.
"""
