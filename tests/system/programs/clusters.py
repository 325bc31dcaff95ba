"""k-means with a reduction by hand, as in PyCOMPSs' own tutorials: no guard, work at the top level."""

import sys

import numpy as np
from pycompss.api.api import compss_wait_on
from pycompss.api.task import task

CLUSTERS = 3


@task(returns=1)
def generate(points, seed):
    random = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [10.0, 10.0], [-10.0, 10.0]])
    return centres[random.integers(CLUSTERS, size=points)] + random.normal(size=(points, 2))


@task(returns=dict)
def partial_sum(fragment, centres):
    nearest = np.argmin(np.linalg.norm(fragment[:, None] - centres[None], axis=2), axis=1)
    return {k: (int((nearest == k).sum()), fragment[nearest == k].sum(axis=0)) for k in range(len(centres))}


@task(returns=dict)
def reduce_sums(one, other):
    return {k: (one[k][0] + other[k][0], one[k][1] + other[k][1]) for k in one}


fragments = [generate(int(sys.argv[1]), seed) for seed in range(4)]
centres = np.array([[1.0, 1.0], [8.0, 8.0], [-8.0, 8.0]])
for _ in range(4):
    partials = [partial_sum(fragment, centres) for fragment in fragments]
    while len(partials) > 1:
        partials = [reduce_sums(a, b) for a, b in zip(partials[::2], partials[1::2], strict=True)]
    sums = compss_wait_on(partials[0])
    centres = np.array([total / max(count, 1) for count, total in sums.values()])
assert np.allclose(centres, [[0, 0], [10, 10], [-10, 10]], atol=0.3), centres
print("clusters ok")
