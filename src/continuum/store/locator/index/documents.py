"""Documents that the index keeps by name: few, small, read by who wrote them."""

from sqlalchemy import bindparam, delete, insert, select

from continuum.store.locator.database import Connection, Statement
from continuum.store.locator.schema import documents

FIND_DOCUMENT = Statement(select(documents.c.document).where(documents.c.name == bindparam("name")))
INSERT_DOCUMENT = Statement(insert(documents))
DELETE_DOCUMENT = Statement(delete(documents).where(documents.c.name == bindparam("of_name")))
LIST_DOCUMENTS = Statement(
    select(documents.c.name, documents.c.document).where(
        documents.c.name >= bindparam("start"), documents.c.name < bindparam("end")
    )
)


def find_document(connection: Connection, name: str) -> bytes | None:
    """Return a document; None if there is none of this name."""
    row = connection.row(FIND_DOCUMENT, name=name)
    return row[0] if row else None


def list_documents(connection: Connection, folder: str) -> list[tuple[str, bytes]]:
    """Return names and documents of those whose names begin with `folder`, which ends with a slash."""
    end = folder[:-1] + "0"  # "0" follows "/"
    return [(name, document) for name, document in connection.rows(LIST_DOCUMENTS, start=folder, end=end)]


def put_document(connection: Connection, name: str, document: bytes) -> None:
    """Keep a document under a name, in place of what was there."""
    drop_document(connection, name)
    connection.run(INSERT_DOCUMENT, name=name, document=document)


def drop_document(connection: Connection, name: str) -> None:
    """Forget what is kept under a name."""
    connection.run(DELETE_DOCUMENT, of_name=name)
