"""The figures of the manual, each made by one function.

All numbers come from the package's own tests, from data that ships with it, or from the tables in
benchmarks/tables. Random numbers have fixed seeds.
"""

from figures import background, diagrams, guide, models, monitoring

FIGURES = {
    name: draw
    for module in (background, diagrams, guide, models, monitoring)
    for name, draw in module.FIGURES.items()
}
