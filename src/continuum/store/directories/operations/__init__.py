"""The S3 operations of a directory store, one file per family; all that gateways ask of a store."""
