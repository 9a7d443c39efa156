"""The suite behind `manage.py bench`: one file per area.

An area has `run(report, full)`, or `measure(*, full)` that returns {name: number} where the name
ends in the unit, and may have `TARGETS = {name: "<=10"}`.
"""
