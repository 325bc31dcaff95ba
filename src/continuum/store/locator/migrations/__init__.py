"""The steps from an empty database to `schema`, applied in order by alembic when a locator starts."""
