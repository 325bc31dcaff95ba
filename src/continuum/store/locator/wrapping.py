"""The locator's answers to who wraps data keys anew."""

from continuum.model.errors import InvalidInputError
from continuum.store.locator import messages as m
from continuum.store.locator.families import Family, Handlers
from continuum.store.locator.index import wrapping
from continuum.store.locator.validating import check_count, check_marker

MAX_ITEMS = 1000
MAX_ENCRYPTION_BYTES = 256 * 1024
_MAX_DIGITS = 18


class WrappingKeeper(Family):
    """Lists and replaces descriptions of encryptions."""

    def handlers(self) -> Handlers:
        """Return what answers which request."""
        return {m.ListEncrypted: self._list_encrypted, m.ReplaceEncryptions: self._replace_encryptions}

    async def _list_encrypted(self, request: m.ListEncrypted) -> m.EncryptedPage:
        if not 1 <= request.limit <= MAX_ITEMS:
            raise InvalidInputError(f"a page has 1 to {MAX_ITEMS} entries")
        check_marker(request.after)
        if request.after and not request.of_uploads:
            _check_number(request.after)
        return await self._reader.scan(wrapping.list_encrypted, request)

    async def _replace_encryptions(self, request: m.ReplaceEncryptions) -> m.Replaced:
        check_count(request.items, "descriptions", MAX_ITEMS)
        if any(not item.after or len(item.after) > MAX_ENCRYPTION_BYTES for item in request.items):
            raise InvalidInputError("the description of an encryption is empty or too large")
        if request.of_uploads:
            count = await self._writer.write(wrapping.replace_uploads_encryption, request.items)
            return m.Replaced(count=count)
        for item in request.items:
            _check_number(item.name)
        things = await self._writer.write(wrapping.replace_versions_encryption, request.items)
        await self._invalidator.tell(things)
        return m.Replaced(count=len(things))


def _check_number(name: str) -> None:
    if not (name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS):
        raise InvalidInputError("the name of a version here is a number")
