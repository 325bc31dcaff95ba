"""A program on dislib, as its users write it: what comes out is compared with numpy's and what must be so."""

import sys
import tempfile
from pathlib import Path

import dislib as ds
import numpy as np
from dislib.classification import CascadeSVM, KNeighborsClassifier
from dislib.cluster import DBSCAN, KMeans
from dislib.decomposition import PCA, qr, tsqr
from dislib.model_selection import train_test_split
from dislib.neighbors import NearestNeighbors
from dislib.preprocessing import MinMaxScaler, StandardScaler
from dislib.regression import LinearRegression
from dislib.trees import RandomForestClassifier
from dislib.utils import shuffle
from pycompss.api.api import compss_wait_on

random = np.random.default_rng(1)
table = random.random((60, 6))
classes = (table.sum(axis=1) > 3).astype(int).reshape(-1, 1)


def rows():
    return ds.array(table, (20, 6))


def labels():
    return ds.array(classes, (20, 1))


def arrays():
    blocks = ds.array(table, (20, 3))
    assert np.array_equal(blocks.collect(), table)
    assert np.array_equal(blocks.T.collect(), table.T)
    assert np.array_equal(blocks[3:45, 1:5].collect(), table[3:45, 1:5])
    assert np.allclose(ds.matmul(blocks, blocks, transpose_a=True).collect(), table.T @ table)
    assert np.allclose(np.ravel(ds.apply_along_axis(np.sum, 0, blocks).collect()), table.sum(axis=0))
    square = ds.random_array((20, 20), (10, 10), random_state=3)
    assert np.allclose((square @ square).collect(), square.collect() @ square.collect())
    small = ds.array(table[:4, :4], (2, 2))
    assert np.allclose(ds.kron(small, small).collect(), np.kron(table[:4, :4], table[:4, :4]))
    shuffled, _ = shuffle(blocks, labels(), random_state=0)
    assert np.allclose(np.sort(shuffled.collect(), axis=0), np.sort(table, axis=0))


def decompositions():
    square = ds.random_array((20, 20), (10, 10), random_state=3)
    q, r = qr(square)
    assert np.allclose((q @ r).collect(), square.collect())
    tall = ds.random_array((80, 10), (20, 10), random_state=3)
    q, r = tsqr(tall)
    assert np.allclose(ds.matmul(q, r).collect(), tall.collect())
    _, s, _ = ds.svd(ds.array(table, (20, 3)))
    assert np.allclose(np.sort(np.ravel(s.collect()))[::-1], np.linalg.svd(table)[1])
    assert PCA().fit_transform(ds.array(table, (20, 3))).collect().shape == table.shape


def clusters():
    assert set(np.ravel(KMeans(n_clusters=3, random_state=1).fit_predict(rows()).collect())) == {0, 1, 2}
    assert len(DBSCAN(eps=0.5, n_regions=2, max_samples=30).fit_predict(rows()).collect()) == len(table)


def estimators():
    target = ds.array(table @ np.ones((6, 1)), (20, 1))
    regression = LinearRegression()
    regression.fit(rows(), target)
    assert np.allclose(np.ravel(regression.predict(rows()).collect()), table.sum(axis=1))
    forest = RandomForestClassifier(n_estimators=2, random_state=0)
    forest.fit(rows(), labels())
    assert compss_wait_on(forest.score(rows(), labels())) > 0.6
    neighbours = NearestNeighbors(n_neighbors=2)
    neighbours.fit(rows())
    _, indices = neighbours.kneighbors(rows())
    assert np.array_equal(indices.collect()[:, 0], np.arange(len(table)))
    nearest = KNeighborsClassifier(n_neighbors=1)
    nearest.fit(rows(), labels())
    assert np.array_equal(np.ravel(nearest.predict(rows()).collect()), np.ravel(classes))
    machine = CascadeSVM(c=1.0, max_iter=2, random_state=0)
    machine.fit(rows(), labels())
    assert machine.predict(rows()).shape == (len(table), 1)


def preparation(folder):
    assert abs(StandardScaler().fit_transform(ds.array(table, (20, 3))).collect().mean()) < 1e-9
    assert np.isclose(MinMaxScaler().fit_transform(ds.array(table, (20, 3))).collect().max(), 1)
    train, test, _, _ = train_test_split(rows(), labels(), test_size=0.25)
    assert train.shape[0] + test.shape[0] == len(table)
    np.savetxt(folder / "table.csv", table, delimiter=",")
    assert np.allclose(ds.load_txt_file(str(folder / "table.csv"), (20, 3)).collect(), table)
    ds.save_txt(rows(), str(folder / "saved"))
    model = KMeans(n_clusters=3, random_state=1)
    model.fit(rows())
    model.save_model(str(folder / "model"), save_format="json")
    other = KMeans()
    other.load_model(str(folder / "model"), load_format="json")
    assert np.allclose(model.centers, other.centers)


if __name__ == "__main__":
    arrays()
    decompositions()
    clusters()
    estimators()
    with tempfile.TemporaryDirectory() as name:
        preparation(Path(name))
    print("learning ok", file=sys.stdout)
