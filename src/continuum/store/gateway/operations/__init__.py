"""S3's operations, one file per family. What is not in `OPERATIONS` is answered with `NotImplemented`."""

from collections.abc import Awaitable, Callable

from continuum.store.gateway.calls import Call
from continuum.store.gateway.operations.acls import (
    get_bucket_acl,
    get_object_acl,
    put_bucket_acl,
    put_object_acl,
)
from continuum.store.gateway.operations.buckets import (
    create_bucket,
    delete_bucket,
    get_bucket_location,
    head_bucket,
    list_buckets,
)
from continuum.store.gateway.operations.completing import complete_upload
from continuum.store.gateway.operations.copies import copy_object, upload_part_copy
from continuum.store.gateway.operations.cors import delete_bucket_cors, get_bucket_cors, put_bucket_cors
from continuum.store.gateway.operations.defaults import (
    get_empty,
    get_replication,
    get_request_payment,
    get_website,
)
from continuum.store.gateway.operations.deleting import delete_object, delete_objects
from continuum.store.gateway.operations.describing import get_object_attributes
from continuum.store.gateway.operations.encryption import (
    delete_bucket_encryption,
    get_bucket_encryption,
    put_bucket_encryption,
)
from continuum.store.gateway.operations.lifecycles import delete_lifecycle, get_lifecycle, put_lifecycle
from continuum.store.gateway.operations.listing import list_objects, list_objects_v2
from continuum.store.gateway.operations.locking import (
    get_object_legal_hold,
    get_object_lock_configuration,
    get_object_retention,
    put_object_legal_hold,
    put_object_lock_configuration,
    put_object_retention,
)
from continuum.store.gateway.operations.notifications import get_notification, put_notification
from continuum.store.gateway.operations.parts import list_parts, upload_part
from continuum.store.gateway.operations.policies import (
    delete_bucket_ownership,
    delete_bucket_policy,
    delete_public_access_block,
    get_bucket_ownership,
    get_bucket_policy,
    get_bucket_policy_status,
    get_public_access_block,
    put_bucket_ownership,
    put_bucket_policy,
    put_public_access_block,
)
from continuum.store.gateway.operations.reads import get_object, head_object
from continuum.store.gateway.operations.tagging import (
    delete_bucket_tagging,
    delete_object_tagging,
    get_bucket_tagging,
    get_object_tagging,
    put_bucket_tagging,
    put_object_tagging,
)
from continuum.store.gateway.operations.uploads import abort_upload, create_upload, list_uploads
from continuum.store.gateway.operations.versioning import get_bucket_versioning, put_bucket_versioning
from continuum.store.gateway.operations.versions import list_object_versions
from continuum.store.gateway.operations.writing import put_object
from continuum.store.gateway.replies import Reply

OPERATIONS: dict[str, Callable[[Call], Awaitable[Reply]]] = {
    "ListBuckets": list_buckets,
    "CreateBucket": create_bucket,
    "HeadBucket": head_bucket,
    "DeleteBucket": delete_bucket,
    "GetBucketLocation": get_bucket_location,
    "ListObjects": list_objects,
    "ListObjectsV2": list_objects_v2,
    "ListObjectVersions": list_object_versions,
    "GetObject": get_object,
    "HeadObject": head_object,
    "PutObject": put_object,
    "CopyObject": copy_object,
    "DeleteObject": delete_object,
    "DeleteObjects": delete_objects,
    "CreateMultipartUpload": create_upload,
    "UploadPart": upload_part,
    "UploadPartCopy": upload_part_copy,
    "CompleteMultipartUpload": complete_upload,
    "AbortMultipartUpload": abort_upload,
    "ListParts": list_parts,
    "ListMultipartUploads": list_uploads,
    "GetBucketVersioning": get_bucket_versioning,
    "PutBucketVersioning": put_bucket_versioning,
    "GetBucketTagging": get_bucket_tagging,
    "PutBucketTagging": put_bucket_tagging,
    "DeleteBucketTagging": delete_bucket_tagging,
    "GetObjectTagging": get_object_tagging,
    "PutObjectTagging": put_object_tagging,
    "DeleteObjectTagging": delete_object_tagging,
    "GetObjectLockConfiguration": get_object_lock_configuration,
    "PutObjectLockConfiguration": put_object_lock_configuration,
    "GetObjectRetention": get_object_retention,
    "PutObjectRetention": put_object_retention,
    "GetObjectLegalHold": get_object_legal_hold,
    "PutObjectLegalHold": put_object_legal_hold,
    "GetObjectAttributes": get_object_attributes,
    "GetBucketCors": get_bucket_cors,
    "PutBucketCors": put_bucket_cors,
    "DeleteBucketCors": delete_bucket_cors,
    "GetBucketPolicy": get_bucket_policy,
    "PutBucketPolicy": put_bucket_policy,
    "DeleteBucketPolicy": delete_bucket_policy,
    "GetBucketPolicyStatus": get_bucket_policy_status,
    "GetPublicAccessBlock": get_public_access_block,
    "PutPublicAccessBlock": put_public_access_block,
    "DeletePublicAccessBlock": delete_public_access_block,
    "GetBucketOwnershipControls": get_bucket_ownership,
    "PutBucketOwnershipControls": put_bucket_ownership,
    "DeleteBucketOwnershipControls": delete_bucket_ownership,
    "GetBucketAcl": get_bucket_acl,
    "PutBucketAcl": put_bucket_acl,
    "GetObjectAcl": get_object_acl,
    "PutObjectAcl": put_object_acl,
    "GetBucketEncryption": get_bucket_encryption,
    "PutBucketEncryption": put_bucket_encryption,
    "DeleteBucketEncryption": delete_bucket_encryption,
    "PutBucketLifecycleConfiguration": put_lifecycle,
    "GetBucketLifecycleConfiguration": get_lifecycle,
    "DeleteBucketLifecycle": delete_lifecycle,
    "PutBucketNotificationConfiguration": put_notification,
    "GetBucketNotificationConfiguration": get_notification,
    "GetBucketRequestPayment": get_request_payment,
    "GetBucketAccelerateConfiguration": get_empty,
    "GetBucketLogging": get_empty,
    "GetBucketWebsite": get_website,
    "GetBucketReplication": get_replication,
}

__all__ = ["OPERATIONS"]
