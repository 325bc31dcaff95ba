"""Container images: built twice, and checked; tests/kubernetes runs one.

The first build fetches Debian's packages and wheels; later ones take them from the cache.
"""

import os
from pathlib import Path

import pytest

from continuum.sites import BuildOptions, BuiltImage, build_image, check_archive, default_cache

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltImage:
    out = tmp_path_factory.mktemp("image") / "continuum.tar"
    return build_image(BuildOptions(out=out, name="localhost/continuum:test", cache=default_cache()), print)


def test_the_archive_is_what_it_says(built: BuiltImage) -> None:
    found = check_archive(built.path)
    assert (found.digest, found.name) == (built.digest, "localhost/continuum:test")
    assert [each.title for each in found.layers] == ["Debian and Python", "dependencies", "continuum"]
    assert found.run.user == "65532:65532"
    assert found.size_bytes < 90e6
    assert found.layers[-1].size_bytes < 5e6


def test_another_cache_in_another_place_gives_the_same_digest(built: BuiltImage, tmp_path: Path) -> None:
    cache = tmp_path / ("long" * 40)
    cache.mkdir()
    (cache / "debian").symlink_to(default_cache() / "debian")
    before = os.umask(0o077)
    try:
        again = build_image(BuildOptions(out=tmp_path / "again.tar", name=built.name, cache=cache), print)
    finally:
        os.umask(before)
    assert again.digest == built.digest
    assert (tmp_path / "again.tar").read_bytes() == built.path.read_bytes()
