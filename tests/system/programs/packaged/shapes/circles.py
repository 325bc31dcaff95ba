"""Tasks in a module of a package."""

from pycompss.api.task import task

from shapes.numbers import PI


class Circle:
    """A circle."""

    def __init__(self, radius):
        self.radius = radius

    @task(returns=float)
    def area(self):
        return PI * self.radius**2


@task(returns=Circle)
def grown(circle, by):
    return Circle(circle.radius + by)
