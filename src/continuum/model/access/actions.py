"""The actions of S3 that a policy can speak of, by what they apply to.

Source: Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
"""

SERVICE_ACTIONS = frozenset({"s3:ListAllMyBuckets"})

BUCKET_ACTIONS = frozenset(
    f"s3:{name}"
    for name in (
        *("CreateBucket", "DeleteBucket", "ListBucket", "ListBucketVersions", "ListBucketMultipartUploads"),
        *("GetBucketLocation", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
        *("GetBucketPolicyStatus", "GetBucketAcl", "PutBucketAcl", "GetBucketCORS", "PutBucketCORS"),
        *("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock", "GetBucketOwnershipControls"),
        *("PutBucketOwnershipControls", "GetBucketVersioning", "PutBucketVersioning", "GetBucketTagging"),
        *("PutBucketTagging", "GetLifecycleConfiguration", "PutLifecycleConfiguration"),
        *("GetEncryptionConfiguration", "PutEncryptionConfiguration", "GetBucketNotification"),
        *("PutBucketNotification", "GetBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
        *("GetBucketLogging", "PutBucketLogging", "GetBucketWebsite", "PutBucketWebsite"),
        *("DeleteBucketWebsite", "GetBucketRequestPayment", "PutBucketRequestPayment"),
        *("GetAccelerateConfiguration", "PutAccelerateConfiguration", "GetReplicationConfiguration"),
        *("PutReplicationConfiguration", "GetAnalyticsConfiguration", "PutAnalyticsConfiguration"),
        *("GetInventoryConfiguration", "PutInventoryConfiguration", "GetMetricsConfiguration"),
        *("PutMetricsConfiguration", "GetIntelligentTieringConfiguration"),
        "PutIntelligentTieringConfiguration",
    )
)

OBJECT_ACTIONS = frozenset(
    f"s3:{name}"
    for name in (
        *("GetObject", "GetObjectVersion", "PutObject", "DeleteObject", "DeleteObjectVersion"),
        *("GetObjectAcl", "GetObjectVersionAcl", "PutObjectAcl", "PutObjectVersionAcl"),
        *("GetObjectTagging", "GetObjectVersionTagging", "PutObjectTagging", "PutObjectVersionTagging"),
        *("DeleteObjectTagging", "DeleteObjectVersionTagging", "GetObjectAttributes"),
        *("GetObjectVersionAttributes", "GetObjectRetention", "PutObjectRetention", "GetObjectLegalHold"),
        *("PutObjectLegalHold", "BypassGovernanceRetention", "AbortMultipartUpload"),
        *("ListMultipartUploadParts", "RestoreObject", "GetObjectTorrent", "GetObjectVersionTorrent"),
    )
)

EVERY_ACTION = SERVICE_ACTIONS | BUCKET_ACTIONS | OBJECT_ACTIONS
