"""One combination at the service: a slot, one submit, polls until its task ends, its pictures in S3."""
